-- name: list_holds
-- The oldest first. Past its expiry a bag is ended within a minute.
SELECT
    h.unit_id, h.station_id, u.component, u.blood_group AS "group", u.volume_ml, u.usable_until,
    h.actor AS key, h.by, h.reason, h.placed_at, h.until
FROM unit_holds AS h INNER JOIN units AS u USING (unit_id)
WHERE h.station_id = :station_id::text AND h.ended_at IS NULL
ORDER BY h.placed_at, h.unit_id
LIMIT :limit;
