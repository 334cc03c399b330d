-- name: list_holds
-- The oldest first. Past its expiry a bag is ended within a minute.
SELECT
    h.unit_id, h.station_id, u.component, u.blood_group AS "group", u.volume_ml, u.usable_until,
    h.actor AS key, h.by, h.reason, h.placed_at, h.until
FROM unit_holds AS h INNER JOIN units AS u USING (unit_id)
WHERE h.station_id = :station_id::text AND h.ended_at IS NULL
ORDER BY h.placed_at, h.unit_id
LIMIT :limit;

-- name: list_stops
-- Whose cause is still open: the end of a cause ends this too.
SELECT s.cause_id, s.actor AS key, s.by, s.reason, s.stopped_at
FROM call_stops AS s
WHERE
    s.station_id = :station_id::text
    AND s.ended_at IS NULL
    AND (
        EXISTS (
            SELECT 1 FROM activations AS a WHERE a.activation_id = s.cause_id AND a.status = 'open'
        )
        OR EXISTS (
            SELECT 1 FROM shortages AS h WHERE h.shortage_id = s.cause_id AND h.status = 'open'
        )
    )
ORDER BY s.stopped_at, s.cause_id;

-- name: find_transfer_ends^
SELECT from_station_id, to_station_id FROM transfers WHERE transfer_id = :transfer_id::text;
