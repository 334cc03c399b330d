-- What was learnt of patients. Fails, and with it the transaction, if a record is not as it was read:
-- then something was told of the patient meanwhile, and whoever decided by it looks again. A record
-- without a body was only read.
CREATE OR REPLACE FUNCTION write_patients(the_patients jsonb, the_instant timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    settled bigint;
BEGIN
    WITH told AS (
        SELECT x.* FROM jsonb_to_recordset(the_patients) AS x (
            hospital_id text, reference_key text, version int, body jsonb
        )
    ),
    written AS (
        INSERT INTO patients AS p (hospital_id, reference_key, version, body, changed_at)
        SELECT hospital_id, reference_key, version + 1, body, the_instant
        FROM told WHERE body IS NOT NULL
        ORDER BY hospital_id, reference_key
        ON CONFLICT (hospital_id, reference_key) DO UPDATE SET
            version = excluded.version, body = excluded.body, changed_at = excluded.changed_at
        WHERE p.version = excluded.version - 1
        RETURNING 1
    ),
    as_read AS (
        SELECT 1 FROM told INNER JOIN patients AS p USING (hospital_id, reference_key)
        WHERE told.body IS NULL AND p.version = told.version
    )
    SELECT (SELECT count(*) FROM written) + (SELECT count(*) FROM as_read) INTO settled;
    IF settled <> jsonb_array_length(the_patients) THEN
        RAISE EXCEPTION 'something was told of a patient meanwhile' USING ERRCODE = 'XL001';
    END IF;
END
$$;

-- What a batch of decisions changes; its audit rows come with the buffers.
CREATE OR REPLACE FUNCTION write_rulings(the_batch jsonb, the_instant timestamptz)
RETURNS TABLE (requests bigint, units bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM write_patients(the_batch -> 'patients', the_instant);
    RETURN QUERY
    WITH request_rows AS (
        INSERT INTO requests AS r (
            request_id, hospital_id, station_id, priority, needed_by, status, waiting_for, version, body,
            patient_group, patient_plasma_group, patient_platelet_group, patient_whole_blood_group,
            patient_has_anti_d, patient_is_asian_del, patient_has_consented, patient_antibodies_passed,
            opened_at, decided_at
        )
        SELECT
            x.request_id, x.hospital_id, x.station_id, x.priority, x.needed_by, x.status, x.waiting_for,
            x.version, x.body, x.patient_group, x.patient_plasma_group, x.patient_platelet_group,
            x.patient_whole_blood_group, x.patient_has_anti_d, x.patient_is_asian_del,
            x.patient_has_consented, x.patient_antibodies_passed, x.opened_at, the_instant
        FROM jsonb_to_recordset(the_batch -> 'requests') AS x (
            request_id text, hospital_id text, station_id text, priority text, needed_by timestamptz,
            status text, waiting_for text, version int, body jsonb, patient_group text,
            patient_plasma_group text, patient_platelet_group text, patient_whole_blood_group text,
            patient_has_anti_d boolean, patient_is_asian_del boolean, patient_has_consented boolean,
            patient_antibodies_passed boolean,
            opened_at timestamptz
        )
        ON CONFLICT (request_id) DO UPDATE SET
            priority = excluded.priority,
            needed_by = excluded.needed_by,
            status = excluded.status,
            waiting_for = excluded.waiting_for,
            version = excluded.version,
            body = excluded.body,
            patient_group = excluded.patient_group,
            patient_plasma_group = excluded.patient_plasma_group,
            patient_platelet_group = excluded.patient_platelet_group,
            patient_whole_blood_group = excluded.patient_whole_blood_group,
            patient_has_anti_d = excluded.patient_has_anti_d,
            patient_is_asian_del = excluded.patient_is_asian_del,
            patient_has_consented = excluded.patient_has_consented,
            patient_antibodies_passed = excluded.patient_antibodies_passed,
            decided_at = excluded.decided_at
        WHERE r.version = excluded.version - 1
        RETURNING r.request_id
    ),
    line_rows AS (
        INSERT INTO request_lines (
            request_id, line_no, component, measure, quantity, uncovered, uncovered_units,
            deferred_units, unconfirmed
        )
        SELECT
            x.request_id, x.line_no, x.component, x.measure, x.quantity, x.uncovered,
            x.uncovered_units, x.deferred_units, x.unconfirmed
        FROM jsonb_to_recordset(the_batch -> 'lines') AS x (
            request_id text, line_no int, component text, measure text, quantity int, uncovered int,
            uncovered_units int, deferred_units int, unconfirmed int
        )
        ON CONFLICT (request_id, line_no) DO UPDATE SET
            component = excluded.component,
            measure = excluded.measure,
            quantity = excluded.quantity,
            uncovered = excluded.uncovered,
            uncovered_units = excluded.uncovered_units,
            deferred_units = excluded.deferred_units,
            unconfirmed = excluded.unconfirmed
        RETURNING 1
    ),
    ended_lines AS (
        -- Lines that the request no longer has, or all of an ended one: nobody waits for them.
        UPDATE request_lines AS l
        SET uncovered = 0, uncovered_units = 0, deferred_units = 0, unconfirmed = 0
        FROM jsonb_to_recordset(the_batch -> 'requests') AS x (request_id text, keep_lines int[])
        WHERE
            l.request_id = x.request_id
            AND (l.uncovered > 0 OR l.unconfirmed > 0)
            AND NOT l.line_no = ANY(x.keep_lines)
    ),
    promised AS (
        SELECT x.* FROM jsonb_to_recordset(the_batch -> 'promises') AS x (
            promise_id text, unit_id text, component text, blood_group text, epoch int, request_id text,
            line_no int, capped boolean, emergency boolean, rule text, reason jsonb, hold_until timestamptz
        )
    ),
    unit_rows AS (
        UPDATE units AS u SET status = 'reserved', epoch = promised.epoch
        FROM promised
        WHERE
            u.unit_id = promised.unit_id
            AND u.status = 'available'
            AND u.epoch = promised.epoch - 1
        RETURNING u.unit_id
    ),
    promise_rows AS (
        INSERT INTO promises (
            promise_id, unit_id, component, blood_group, epoch, request_id, line_no, status, capped, emergency,
            rule, reason, held_at, hold_until
        )
        SELECT
            promise_id, unit_id, component, blood_group, epoch, request_id, line_no, 'held', capped, emergency,
            rule, reason, coalesce(after_the_last.ended_at, the_instant), hold_until
        -- Only units that were still free: a lost race shows in the count, not as a broken key.
        FROM promised INNER JOIN unit_rows USING (unit_id)
        -- Another process may have given the unit back after we read the clock: promises of one unit
        -- follow each other in time as they do in epochs.
        LEFT JOIN LATERAL (
            SELECT p.ended_at FROM promises AS p
            WHERE p.unit_id = promised.unit_id AND p.epoch < promised.epoch AND p.ended_at > the_instant
            ORDER BY p.epoch DESC LIMIT 1
        ) AS after_the_last ON true
    ),
    decision_rows AS (
        INSERT INTO decisions (decision_id, request_id, version, outcome, eta_s, body, decided_at)
        SELECT x.decision_id, x.request_id, x.version, x.outcome, x.eta_s, x.body, the_instant
        FROM jsonb_to_recordset(the_batch -> 'decisions') AS x (
            decision_id text, request_id text, version int, outcome text, eta_s int, body jsonb
        )
        -- Only of requests that stood as they were read: the rest shows in the count.
        INNER JOIN request_rows USING (request_id)
    )
    SELECT
        (SELECT count(*) FROM request_rows) AS requests,
        (SELECT count(*) FROM unit_rows) AS units;
END
$$;

-- Whether another look may help a line that waits: something free at the station may serve it, or the
-- last decision named what would open the way. Asked as values: of EXISTS the planner may make a hash
-- of all units that are free.
CREATE OR REPLACE FUNCTION may_be_served(
    the_request text, the_version int, the_station text, the_component text, the_uses jsonb,
    the_instant timestamptz
) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT
        (
            SELECT TRUE FROM units AS u
            WHERE
                u.station_id = the_station
                AND u.component = ANY((the_uses ->> the_component)::text[])
                AND u.status = 'available'
                AND u.usable_until > the_instant
            LIMIT 1
        )
        OR (
            SELECT d.body @? '$.lines[*].refusals[*].code ? (@ like_regex "_would_open$")'
            FROM decisions AS d
            WHERE d.request_id = the_request AND d.version = the_version
        )
        OR (
            -- Who is in danger of life may take what is promised to others and not picked.
            SELECT TRUE
            FROM requests AS own
            INNER JOIN units AS u
                ON u.station_id = the_station AND u.component = the_component
                AND u.status = 'reserved' AND u.expires_at > the_instant
            INNER JOIN promises AS p ON p.unit_id = u.unit_id AND p.status = 'held'
            INNER JOIN requests AS other ON other.request_id = p.request_id
            WHERE
                own.request_id = the_request AND own.priority = 'life_threatening'
                AND other.priority <> 'life_threatening'
            LIMIT 1
        )
$$;
