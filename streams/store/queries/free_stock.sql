-- name: count_free
SELECT station_id, component, blood_group, count(*) AS bags
FROM units
WHERE
    station_id = ANY(:station_ids::text[])
    AND component = ANY(:components::text[])
    AND status = 'available'
    AND usable_until > :usable_at::timestamptz
GROUP BY station_id, component, blood_group
ORDER BY station_id, component, blood_group;
