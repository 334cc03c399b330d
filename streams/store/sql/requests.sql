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
    (
        p.request_id = :request_id::text
        OR (
            r.hospital_id = :hospital_id::text
            AND r.body -> 'patient' ->> 'reference' = :reference::text
        )
    )
    AND p.capped
    AND p.status IN ('held', 'issued', 'received');

-- name: write_rulings
SELECT requests, units FROM write_rulings(:batch::jsonb, :now::timestamptz);
