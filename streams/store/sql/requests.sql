-- name: list_known
SELECT request_id FROM requests WHERE request_id = ANY(:request_ids::text[]);

-- name: lock_requests
SELECT request_id, status, waiting_for, version, body, opened_at
FROM requests
WHERE request_id = ANY(:request_ids::text[])
ORDER BY request_id
FOR UPDATE;

-- name: list_line_states
SELECT
    l.request_id,
    l.line_no,
    l.uncovered,
    count(*) FILTER (WHERE p.status = 'held') AS held,
    count(*) FILTER (WHERE p.status = 'issued') AS issued,
    count(*) FILTER (WHERE p.status = 'received') AS received
FROM request_lines AS l
LEFT JOIN promises AS p ON p.request_id = l.request_id AND p.line_no = l.line_no
WHERE l.request_id = ANY(:request_ids::text[])
GROUP BY l.request_id, l.line_no
ORDER BY l.request_id, l.line_no;

-- name: list_open_ids
SELECT request_id FROM requests
WHERE station_id = :station_id AND status = 'open'
ORDER BY
    array_position(ARRAY['life_threatening', 'urgent', 'routine'], priority), needed_by, request_id
LIMIT :limit;

-- name: count_capped$
SELECT count(*)
FROM promises AS p
INNER JOIN requests AS r USING (request_id)
WHERE
    r.hospital_id = :hospital_id
    AND r.body -> 'patient' ->> 'reference' = :reference
    AND p.capped
    AND p.status IN ('held', 'issued', 'received');

-- name: write_rulings
-- All that a batch of decisions changes, in one statement. The counts tell whether every guarded
-- row was still as it was read; if not, the caller decides again.
WITH payload AS (SELECT :payload::jsonb AS p),
request_rows AS (
    INSERT INTO requests AS r (
        request_id, hospital_id, station_id, priority, needed_by, status, waiting_for, version, body,
        opened_at, decided_at
    )
    SELECT
        x.request_id, x.hospital_id, x.station_id, x.priority, x.needed_by, x.status, x.waiting_for,
        x.version, x.body, x.opened_at, :now::timestamptz
    FROM payload, jsonb_to_recordset(p -> 'requests') AS x (
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
    FROM payload, jsonb_to_recordset(p -> 'lines') AS x (
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
    FROM payload, jsonb_to_recordset(p -> 'requests') AS x (request_id text, keep_lines int[])
    WHERE l.request_id = x.request_id AND l.uncovered > 0 AND NOT l.line_no = ANY(x.keep_lines)
),
promised AS (
    SELECT x.* FROM payload, jsonb_to_recordset(p -> 'promises') AS x (
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
        reason, coalesce(after_the_last.ended_at, :now::timestamptz), hold_until
    -- Only units that were still free: a lost race shows in the count, not as a broken key.
    FROM promised INNER JOIN unit_rows USING (unit_id)
    -- Another process may have given the unit back after we read the clock: promises of one unit
    -- follow each other in time as they do in epochs.
    LEFT JOIN LATERAL (
        SELECT p.ended_at FROM promises AS p
        WHERE p.unit_id = promised.unit_id AND p.epoch < promised.epoch AND p.ended_at > :now::timestamptz
        ORDER BY p.epoch DESC LIMIT 1
    ) AS after_the_last ON true
),
decision_rows AS (
    INSERT INTO decisions (decision_id, request_id, version, outcome, body, decided_at)
    SELECT x.decision_id, x.request_id, x.version, x.outcome, x.body, :now::timestamptz
    FROM payload, jsonb_to_recordset(p -> 'decisions') AS x (
        decision_id text, request_id text, version int, outcome text, body jsonb
    )
    -- Only of requests that stood as they were read: the rest shows in the count.
    INNER JOIN request_rows USING (request_id)
),
audit_rows AS (
    INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
    SELECT 'request', x.request_id, x.station_id, x.from_status, x.status, x.why, x.caused_by, :now::timestamptz
    FROM payload, jsonb_to_recordset(p -> 'requests') AS x (
        request_id text, station_id text, from_status text, status text, why text, caused_by text
    )
    UNION ALL
    SELECT 'unit', unit_id, station_id, 'available', 'reserved', request_id, caused_by, :now::timestamptz
    FROM promised
)
SELECT
    (SELECT count(*) FROM request_rows) AS requests,
    (SELECT count(*) FROM unit_rows) AS units;
