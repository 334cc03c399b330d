-- name: list_known
SELECT request_id FROM requests WHERE request_id = ANY(:request_ids::text[]);

-- name: lock_requests
SELECT request_id, status, waiting_for, version, body, opened_at
FROM requests
WHERE
    request_id = ANY(:request_ids::text[])
    AND (:locked::text[] IS NULL OR station_id = ANY(:locked::text[]))
ORDER BY request_id
FOR UPDATE;

-- name: read_requests
SELECT request_id, status, waiting_for, version, body, opened_at
FROM requests
WHERE request_id = ANY(:request_ids::text[])
ORDER BY request_id;

-- name: count_orders
SELECT o.component, o.measure, o.quantity, count(*)::int AS orders
FROM (
    SELECT l.component, l.measure, sum(l.quantity)::int AS quantity
    FROM requests AS r INNER JOIN request_lines AS l USING (request_id)
    WHERE
        r.hospital_id = :hospital_id
        AND r.priority = :priority
        AND r.opened_at >= :since::timestamptz
        AND r.status NOT IN ('cancelled', 'refused')
        AND r.request_id <> :besides
    GROUP BY l.request_id, l.component, l.measure
) AS o
GROUP BY o.component, o.measure, o.quantity
ORDER BY o.component, o.measure, o.quantity;

-- name: list_request_stations
SELECT DISTINCT station_id FROM requests WHERE request_id = ANY(:request_ids::text[]);

-- name: list_line_states
SELECT
    l.request_id,
    l.line_no,
    l.uncovered,
    l.unconfirmed,
    coalesce(
        jsonb_agg(jsonb_build_object(
            'component', u.component, 'volume_ml', u.volume_ml, 'status', p.status
        ) ORDER BY u.unit_id) FILTER (WHERE u.unit_id IS NOT NULL),
        '[]'
    ) AS bags
FROM request_lines AS l
LEFT JOIN promises AS p
    ON
        p.request_id = l.request_id AND p.line_no = l.line_no
        AND p.status IN ('held', 'issued', 'received')
LEFT JOIN units AS u ON u.unit_id = p.unit_id
WHERE l.request_id = ANY(:request_ids::text[])
GROUP BY l.request_id, l.line_no
ORDER BY l.request_id, l.line_no;

-- name: find_last_decision^
SELECT body FROM decisions WHERE request_id = :request_id::text ORDER BY version DESC LIMIT 1;

-- name: list_servable
-- In the order of a batch; a request behind which to go on may have changed its place meanwhile, and
-- is looked up as it stands.
SELECT r.request_id FROM requests AS r
WHERE
    r.station_id = :station_id
    AND r.status = 'open'
    AND (
        :after::text IS NULL
        OR (
            array_position(ARRAY['life_threatening', 'urgent', 'routine'], r.priority),
            r.needed_by,
            r.request_id
        ) > (
            SELECT
                array_position(ARRAY['life_threatening', 'urgent', 'routine'], last.priority),
                last.needed_by,
                last.request_id
            FROM requests AS last WHERE last.request_id = :after::text
        )
    )
    AND EXISTS (
        SELECT 1 FROM request_lines AS l
        WHERE
            l.request_id = r.request_id
            AND (l.uncovered > 0 OR l.unconfirmed > 0)
            AND may_be_served(
                r.request_id, r.version, r.station_id, l.component, :uses::jsonb, :now::timestamptz
            )
    )
ORDER BY
    array_position(ARRAY['life_threatening', 'urgent', 'routine'], r.priority),
    r.needed_by,
    r.request_id
LIMIT :limit;

-- name: list_waiting_stations
SELECT DISTINCT r.station_id
FROM requests AS r INNER JOIN request_lines AS l USING (request_id)
WHERE
    r.status = 'open'
    AND (l.uncovered > 0 OR l.unconfirmed > 0)
    AND may_be_served(
        r.request_id, r.version, r.station_id, l.component, :uses::jsonb, :now::timestamptz
    )
ORDER BY r.station_id;

-- name: list_patients
SELECT a.request_id, p.version, p.body, coalesce(o.others, '{}') AS others
FROM jsonb_to_recordset(:asked::jsonb)
    AS a(request_id text, hospital_id text, reference text, components text[])
LEFT JOIN patients AS p
    ON p.hospital_id = a.hospital_id AND p.reference_key = lower(a.reference)
CROSS JOIN LATERAL (
    SELECT array_agg(found.request_id ORDER BY found.opened_at, found.request_id) AS others
    FROM (
        SELECT r.request_id, r.opened_at FROM requests AS r
        WHERE
            r.hospital_id = a.hospital_id
            AND lower(r.body -> 'patient' ->> 'reference') = lower(a.reference)
            AND r.status IN ('open', 'reserved', 'partly_refused')
            AND r.request_id <> a.request_id
            AND EXISTS (
                SELECT 1 FROM request_lines AS l
                WHERE l.request_id = r.request_id AND l.component = ANY(a.components)
            )
        ORDER BY r.opened_at, r.request_id
        LIMIT 5
    ) AS found
) AS o
WHERE p.body IS NOT NULL OR o.others IS NOT NULL;

-- name: find_patient^
SELECT version, body FROM patients
WHERE hospital_id = :hospital_id::text AND reference_key = :reference_key::text;

-- name: list_of_patient
SELECT request_id FROM requests
WHERE
    hospital_id = :hospital_id::text
    AND lower(body -> 'patient' ->> 'reference') = :reference_key::text
    AND status IN ('open', 'reserved', 'partly_refused')
ORDER BY request_id;

-- name: write_patients!
SELECT write_patients(:patients::jsonb, :now::timestamptz);

-- name: count_capped$
SELECT count(*)
FROM promises AS p
INNER JOIN requests AS r USING (request_id)
WHERE
    (
        p.request_id = :request_id::text
        OR (
            r.hospital_id = :hospital_id::text
            AND lower(r.body -> 'patient' ->> 'reference') = lower(:reference::text)
        )
    )
    AND p.capped
    AND p.status IN ('held', 'issued', 'received');

-- name: write_rulings
-- Fails, and with it the transaction, if the directory is not as the decisions followed it.
SELECT requests, units
FROM write_rulings(:batch::jsonb, :now::timestamptz), ensure_directory(:directory::bigint);
