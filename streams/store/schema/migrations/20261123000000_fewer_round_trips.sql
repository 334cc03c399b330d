-- migrate:up

-- What a transaction writes arrives as one document, `the_batch`, with an array of rows per kind, and
-- the bodies of its events beside it, byte for byte.

-- All that a batch of decisions changes, in one statement. The counts tell whether every guarded
-- row was still as it was read; if not, the caller decides again.
CREATE FUNCTION write_rulings(the_batch jsonb, the_instant timestamptz)
RETURNS TABLE (requests bigint, units bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH request_rows AS (
        INSERT INTO requests AS r (
            request_id, hospital_id, station_id, priority, needed_by, status, waiting_for, version, body,
            opened_at, decided_at
        )
        SELECT
            x.request_id, x.hospital_id, x.station_id, x.priority, x.needed_by, x.status, x.waiting_for,
            x.version, x.body, x.opened_at, the_instant
        FROM jsonb_to_recordset(the_batch -> 'requests') AS x (
            request_id text, hospital_id text, station_id text, priority text, needed_by timestamptz,
            status text, waiting_for text, version int, body jsonb, opened_at timestamptz
        )
        ON CONFLICT (request_id) DO UPDATE SET
            priority = excluded.priority,
            needed_by = excluded.needed_by,
            status = excluded.status,
            waiting_for = excluded.waiting_for,
            version = excluded.version,
            body = excluded.body,
            decided_at = excluded.decided_at
        WHERE r.version = excluded.version - 1
        RETURNING r.request_id
    ),
    line_rows AS (
        INSERT INTO request_lines (request_id, line_no, component, quantity, uncovered)
        SELECT x.request_id, x.line_no, x.component, x.quantity, x.uncovered
        FROM jsonb_to_recordset(the_batch -> 'lines') AS x (
            request_id text, line_no int, component text, quantity int, uncovered int
        )
        ON CONFLICT (request_id, line_no) DO UPDATE SET
            component = excluded.component,
            quantity = excluded.quantity,
            uncovered = excluded.uncovered
        RETURNING 1
    ),
    ended_lines AS (
        -- Lines that the request no longer has, or all of an ended one: nobody waits for them.
        UPDATE request_lines AS l SET uncovered = 0
        FROM jsonb_to_recordset(the_batch -> 'requests') AS x (request_id text, keep_lines int[])
        WHERE l.request_id = x.request_id AND l.uncovered > 0 AND NOT l.line_no = ANY(x.keep_lines)
    ),
    promised AS (
        SELECT x.* FROM jsonb_to_recordset(the_batch -> 'promises') AS x (
            promise_id text, unit_id text, component text, blood_group text, epoch int, request_id text,
            line_no int, capped boolean, reason jsonb, hold_until timestamptz, station_id text,
            caused_by text
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
            promise_id, unit_id, component, blood_group, epoch, request_id, line_no, status, capped,
            reason, held_at, hold_until
        )
        SELECT
            promise_id, unit_id, component, blood_group, epoch, request_id, line_no, 'held', capped,
            reason, coalesce(after_the_last.ended_at, the_instant), hold_until
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
        INSERT INTO decisions (decision_id, request_id, version, outcome, body, decided_at)
        SELECT x.decision_id, x.request_id, x.version, x.outcome, x.body, the_instant
        FROM jsonb_to_recordset(the_batch -> 'decisions') AS x (
            decision_id text, request_id text, version int, outcome text, body jsonb
        )
        -- Only of requests that stood as they were read: the rest shows in the count.
        INNER JOIN request_rows USING (request_id)
    ),
    audit_rows AS (
        INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
        SELECT 'request', x.request_id, x.station_id, x.from_status, x.status, x.why, x.caused_by, the_instant
        FROM jsonb_to_recordset(the_batch -> 'requests') AS x (
            request_id text, station_id text, from_status text, status text, why text, caused_by text
        )
        UNION ALL
        SELECT 'unit', unit_id, station_id, 'available', 'reserved', request_id, caused_by, the_instant
        FROM promised
    )
    SELECT
        (SELECT count(*) FROM request_rows) AS requests,
        (SELECT count(*) FROM unit_rows) AS units;
END
$$;

-- Timers, audit and outbox of a transaction, in one round trip just before it commits. The row lock
-- on a key makes the order of its sequences the order of commits; keys are locked in one order, so
-- that two transactions cannot wait for each other.
CREATE FUNCTION write_buffers(the_batch jsonb, the_bodies bytea[], the_source text)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH timer_rows AS (
        INSERT INTO timers (timer_id, kind, subject, due_at)
        SELECT x.timer_id, x.kind, x.subject, x.due_at
        FROM jsonb_to_recordset(the_batch -> 'timers') AS x (
            timer_id text, kind text, subject text, due_at timestamptz
        )
        ORDER BY x.timer_id
        ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at
    ),
    audit_rows AS (
        INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
        SELECT
            x.subject_kind, x.subject, x.station_id, x.from_state, x.to_state, x.why, x.caused_by, x.at
        FROM jsonb_to_recordset(the_batch -> 'audit') AS x (
            subject_kind text, subject text, station_id text, from_state text, to_state text, why text,
            caused_by text, at timestamptz
        )
    ),
    incoming AS (
        SELECT *, row_number() OVER (PARTITION BY key ORDER BY ord) AS nth
        FROM ROWS FROM (
            jsonb_to_recordset(the_batch -> 'events') AS (
                lane smallint, topic text, key text, event_type text, subject text, caused_by text,
                traceparent text, station_id text, hospital_id text, made_at timestamptz
            ),
            unnest(the_bodies)
        ) WITH ORDINALITY AS x (
            lane, topic, key, event_type, subject, caused_by, traceparent, station_id, hospital_id,
            made_at, body, ord
        )
    ),
    counted AS (
        INSERT INTO outbox_keys AS k (key, sequence)
        SELECT key, count(*) FROM incoming GROUP BY key ORDER BY key
        ON CONFLICT (key) DO UPDATE SET sequence = k.sequence + excluded.sequence
        RETURNING key, sequence
    ),
    sized AS (
        SELECT key, count(*) AS events FROM incoming GROUP BY key
    )
    INSERT INTO outbox (
        lane, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
        station_id, hospital_id, body, made_at
    )
    SELECT
        i.lane, i.topic, i.key, numbered.sequence, i.key || '/' || numbered.sequence, i.event_type,
        the_source, i.subject, i.caused_by, i.traceparent, i.station_id, i.hospital_id, i.body, i.made_at
    FROM incoming AS i
    INNER JOIN counted USING (key)
    INNER JOIN sized USING (key)
    CROSS JOIN LATERAL (SELECT counted.sequence - sized.events + i.nth AS sequence) AS numbered
    ORDER BY i.ord;
END
$$;

-- Takes records in, writes what was decided on them and what follows from it: a whole transaction in
-- one round trip. It holds only if every record is new, every request stands as it was read and every
-- unit is still free; otherwise nothing of it happened, and the caller looks before it decides again.
CREATE FUNCTION settle(
    the_reader text, the_batch jsonb, the_bodies bytea[], the_source text, the_instant timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    taken bigint;
    written record;
BEGIN
    INSERT INTO inbox (source, event_id, reader, digest, topic, partition, log_offset, taken_at)
    SELECT
        x.source, x.event_id, the_reader, x.digest, x.topic, x.partition, x.log_offset, the_instant
    FROM jsonb_to_recordset(the_batch -> 'records') AS x (
        source text, event_id text, digest text, topic text, partition int, log_offset bigint
    )
    ORDER BY x.source, x.event_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken <> jsonb_array_length(the_batch -> 'records') THEN
        RAISE EXCEPTION 'a record was taken in before' USING ERRCODE = 'XL001';
    END IF;
    SELECT * INTO written FROM write_rulings(the_batch, the_instant);
    IF
        written.requests <> jsonb_array_length(the_batch -> 'requests')
        OR written.units <> jsonb_array_length(the_batch -> 'promises')
    THEN
        RAISE EXCEPTION 'a request or a unit changed meanwhile' USING ERRCODE = 'XL001';
    END IF;
    PERFORM write_buffers(the_batch, the_bodies, the_source);
END
$$;

-- The lanes of the outbox are held by the session from the claim until the mark: two round trips
-- around a publication instead of four, and still one relay at a time on a lane. A relay that dies, or
-- loses its connection, loses its lanes with it.
DROP FUNCTION claim_outbox;
CREATE FUNCTION claim_outbox(space integer, wanted integer[], most integer)
RETURNS SETOF outbox LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock(space, w) FROM (SELECT unnest(wanted) AS w ORDER BY 1) AS ordered;
    RETURN QUERY
    SELECT * FROM outbox AS o
    WHERE o.lane = ANY(wanted::smallint[]) AND o.published_at IS NULL
    ORDER BY o.row_id
    LIMIT most;
END
$$;

-- Commits the marks before it gives the lanes back: whoever holds them next sees what was published.
-- A mark that is lost with a crash of the server costs a second delivery, not a record, so it need not
-- wait for the disk.
CREATE PROCEDURE mark_published(
    space integer, held integer[], row_ids bigint[], the_instant timestamptz
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE outbox SET published_at = the_instant WHERE row_id = ANY(row_ids);
    COMMIT;
    PERFORM pg_advisory_unlock(space, lane) FROM unnest(held) AS lane;
END
$$;

-- migrate:down
DROP PROCEDURE mark_published;
DROP FUNCTION claim_outbox;
CREATE FUNCTION claim_outbox(space integer, wanted integer[], most integer)
RETURNS SETOF outbox LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(space, w) FROM (SELECT unnest(wanted) AS w ORDER BY 1) AS ordered;
    RETURN QUERY
    SELECT * FROM outbox AS o
    WHERE o.lane = ANY(wanted::smallint[]) AND o.published_at IS NULL
    ORDER BY o.row_id
    LIMIT most;
END
$$;
DROP FUNCTION settle;
DROP FUNCTION write_buffers;
DROP FUNCTION write_rulings;
