-- name: take_count
SELECT outcome, units, new_ids, collected_ids FROM take_count(
    :count::jsonb, :units::jsonb, :now::timestamptz
);

-- name: note_part^
WITH noted AS (
    UPDATE reconciliation_parts SET outcomes = :outcomes::jsonb
    WHERE count_id = :count_id::text AND part_no = :part_no::int
)
SELECT
    r.station_id, r.counted_at, r.is_full, r.parts, r.units,
    (SELECT count(*) FROM reconciliation_parts AS p WHERE p.count_id = r.count_id) AS parts_taken
FROM reconciliations AS r WHERE r.count_id = :count_id::text;

-- name: finish_count$
SELECT finish_count(:count_id::text, :now::timestamptz);

-- name: list_open_differences
SELECT unit_id, kind, counted, recorded FROM reconciliation_differences
WHERE count_id = :count_id::text AND unit_id = ANY(:unit_ids::text[]) AND closed_at IS NULL
ORDER BY unit_id
FOR UPDATE;

-- name: close_differences!
UPDATE reconciliation_differences SET
    resolution = :resolution::text, reason = :reason::text, closed_by = :by::text,
    closed_at = :now::timestamptz
WHERE count_id = :count_id::text AND unit_id = ANY(:unit_ids::text[]) AND closed_at IS NULL;

-- name: compare_count
-- Units by outcome, a digest of which they are, and the first of those that contradict the record.
SELECT
    j.outcome,
    count(*) AS units,
    md5(string_agg(j.unit_id, ' ' ORDER BY j.unit_id)) AS digest,
    coalesce(
        jsonb_agg(
            jsonb_build_object('unit_id', j.unit_id, 'fields', j.fields, 'recorded', j.recorded)
            ORDER BY j.unit_id
        ) FILTER (WHERE j.nth <= :told::int AND j.outcome IN ('differs', 'moved', 'status')), '[]'
    ) AS loud,
    coalesce(array_agg(j.unit_id) FILTER (WHERE j.is_new), '{}') AS new_ids,
    coalesce(array_agg(j.donation_id) FILTER (WHERE j.is_new), '{}') AS donation_ids,
    coalesce(array_agg(j.unit_id) FILTER (WHERE j.is_new AND j.is_returned), '{}') AS returned_ids
FROM (
    SELECT
        c.unit_id, c.donation_id, c.fields, c.recorded, c.outcome = 'new' AS is_new,
        c.counted_as = 'returned' AS is_returned,
        CASE WHEN c.outcome = 'new' AND NOT c.released THEN 'new_quarantined' ELSE c.outcome END
        AS outcome,
        row_number() OVER (PARTITION BY c.outcome ORDER BY c.unit_id) AS nth
    FROM compare_count(:station_id::text, :counted_at::timestamptz, :units::jsonb) AS c
) AS j
GROUP BY j.outcome
ORDER BY j.outcome;

-- name: find_missing
SELECT m.unit_id, describe_unit(m) AS recorded, p.request_id
FROM find_missing(:station_id::text, :counted_at::timestamptz, :named::text[]) AS m
LEFT JOIN promises AS p ON p.unit_id = m.unit_id AND p.status = 'held';

-- name: find_count
SELECT
    r.count_id, r.station_id, r.counted_at, r.is_full, r.parts, r.units, r.begun_at, r.taken_at,
    p.parts_taken, coalesce(p.outcomes, '{}') AS outcomes,
    coalesce(d.open_differences, '{}') AS open_differences
FROM reconciliations AS r
LEFT JOIN LATERAL (
    SELECT
        (SELECT count(*) FROM reconciliation_parts AS c WHERE c.count_id = r.count_id)
        AS parts_taken,
        jsonb_object_agg(o.outcome, o.units) AS outcomes
    FROM (
        SELECT one.key AS outcome, sum(one.value::int) AS units
        FROM reconciliation_parts AS c, jsonb_each_text(c.outcomes) AS one
        WHERE c.count_id = r.count_id
        GROUP BY one.key
    ) AS o
) AS p ON true
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(k.kind, k.units) AS open_differences FROM (
        SELECT kind, count(*) AS units FROM reconciliation_differences
        WHERE count_id = r.count_id AND closed_at IS NULL GROUP BY kind
    ) AS k
) AS d ON true
WHERE r.station_id = :station_id::text AND (:count_id::text IS NULL OR r.count_id = :count_id::text)
ORDER BY r.counted_at DESC, r.count_id
LIMIT :limit;

-- name: list_differences
SELECT
    d.count_id, d.unit_id, d.kind, d.fields, d.counted, d.recorded, d.found_at, d.resolution,
    d.reason, d.closed_by, d.closed_at, u.status AS status_now, p.request_id, p.transfer_id
FROM reconciliation_differences AS d
INNER JOIN units AS u USING (unit_id)
LEFT JOIN promises AS p ON p.unit_id = d.unit_id AND p.status = 'held'
WHERE
    d.station_id = :station_id::text
    AND (:count_id::text IS NULL OR d.count_id = :count_id::text)
    AND (:kind::text IS NULL OR d.kind = :kind::text)
    AND (:closed::boolean OR d.closed_at IS NULL)
-- What endangers a patient first: promised and not found, then a label that says otherwise.
ORDER BY (p.request_id IS NULL), d.kind = 'differs' DESC, d.kind, d.unit_id
LIMIT :limit;

-- name: count_open_differences
SELECT
    count(*) AS open,
    count(*) FILTER (WHERE d.kind = 'missing' AND p.promise_id IS NOT NULL) AS missing_reserved,
    count(*) FILTER (WHERE d.fields && ARRAY['group', 'component', 'donation_id'])
    AS identity_differs
FROM reconciliation_differences AS d
LEFT JOIN promises AS p ON p.unit_id = d.unit_id AND p.status = 'held'
WHERE d.station_id = :station_id::text AND d.closed_at IS NULL;

-- name: list_held_units
SELECT
    unit_id, donation_id, component, blood_group, volume_ml, collected_at, expires_at, traits,
    status, released_at, attested_by
FROM units
WHERE station_id = :station_id::text AND is_on_shelf(status)
ORDER BY component, blood_group, expires_at, unit_id;

-- name: add_stock_days!
INSERT INTO stock_days (
    station_id, day, component, blood_group, available, burn_per_d, days_of_supply, uncovered,
    level, taken_at
)
SELECT
    x.station_id, x.day, x.component, x."group", x.available, x.burn_per_d, x.days_of_supply,
    x.uncovered, x.level, :now::timestamptz
FROM jsonb_to_recordset(:payload::jsonb) AS x (
    station_id text, day date, component text, "group" text, available int, burn_per_d float8,
    days_of_supply float8, uncovered int, level text
)
-- A day has one record of a station: a place that is new later in the day waits for the next.
WHERE NOT EXISTS (
    SELECT 1 FROM stock_days AS d WHERE d.station_id = x.station_id AND d.day = x.day
);
