-- name: list_scanned_units
-- Units as a scan compares them, with their last promise: a unit that arrived has an ended one, and
-- what is done with it is still done under its epoch.
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, coalesce(p.last_epoch, 0) AS epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left,
    p.request_id, p.transfer_id, r.hospital_id, t.to_station_id
FROM units AS u
LEFT JOIN LATERAL (
    SELECT epoch AS last_epoch, request_id, transfer_id FROM promises
    WHERE unit_id = u.unit_id
    ORDER BY epoch DESC LIMIT 1
) AS p ON true
LEFT JOIN requests AS r ON r.request_id = p.request_id
LEFT JOIN transfers AS t ON t.transfer_id = p.transfer_id
WHERE u.unit_id = ANY(:unit_ids::text[]);
