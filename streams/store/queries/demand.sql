-- name: find_first_asked$
SELECT opened_at FROM requests
WHERE station_id = :station_id::text AND opened_at >= :since::timestamptz
ORDER BY opened_at
LIMIT 1;

-- name: list_asked
SELECT
    l.component,
    r.priority,
    r.patient_group,
    r.patient_plasma_group,
    r.patient_platelet_group,
    r.patient_whole_blood_group,
    l.measure,
    l.quantity,
    r.opened_at >= :recent_since::timestamptz AS is_recent,
    count(*) AS requests
FROM requests AS r
INNER JOIN request_lines AS l ON l.request_id = r.request_id
WHERE
    r.station_id = :station_id::text
    AND r.opened_at >= :since::timestamptz
    AND r.opened_at <= :now::timestamptz
    AND r.status NOT IN ('cancelled', 'refused')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;

-- name: count_deferred
SELECT
    l.component,
    r.priority,
    r.patient_group,
    r.patient_plasma_group,
    r.patient_platelet_group,
    r.patient_whole_blood_group,
    sum(l.deferred_units) AS units
FROM requests AS r
INNER JOIN request_lines AS l ON l.request_id = r.request_id
WHERE
    r.station_id = :station_id::text
    AND r.status = 'open'
    AND l.deferred_units > 0
    AND r.request_id <> ALL(:besides::text[])
GROUP BY 1, 2, 3, 4, 5, 6;
