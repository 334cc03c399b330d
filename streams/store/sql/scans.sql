-- name: list_scanned_units
-- Units as a scan compares them, with what they are promised to now.
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.expires_at, u.traits,
    u.status, p.status AS promise_status, p.epoch, p.request_id, p.transfer_id
FROM units AS u
LEFT JOIN promises AS p ON p.unit_id = u.unit_id AND p.status IN ('held', 'issued')
WHERE u.unit_id = ANY(:unit_ids::text[]);
