-- What else is known of donors: from other numbers of the same person, at whatever station, and from
-- bags that wait because they bear another group than the record. One row for who has any of it.
CREATE OR REPLACE FUNCTION known_otherwise(the_station text) RETURNS TABLE (
    donor_id identifier, other_whole_blood_on date, deferred_as_other_until timestamptz,
    other_on_live_call boolean, group_disputed boolean
) LANGUAGE sql STABLE AS $$
WITH pairs AS (
    SELECT d.donor_id, t.donor_id AS other_id
    FROM donors AS d INNER JOIN donors AS t ON t.person_key = d.person_key
    WHERE d.station_id = the_station AND t.donor_id <> d.donor_id
    UNION
    SELECT d.donor_id, t.donor_id
    FROM donors AS d INNER JOIN donors AS t ON t.contact_key = d.contact_key
    WHERE
        d.station_id = the_station
        AND t.donor_id <> d.donor_id
        AND d.contact_key <> ''
        AND t.body ->> 'born_on' = d.body ->> 'born_on'
),
known AS (
    SELECT
        pairs.donor_id, t.last_whole_blood_on, (t.body ->> 'deferred_until')::timestamptz AS deferred_until,
        EXISTS (
            SELECT 1 FROM call_outs AS c
            WHERE c.donor_id = t.donor_id AND c.status IN ('called', 'accepted', 'arrived')
        ) AS on_live_call,
        false AS disputed
    FROM pairs INNER JOIN donors AS t ON t.donor_id = pairs.other_id
    UNION ALL
    SELECT d.donor_id, NULL, NULL, false, true
    FROM call_outs AS c
    INNER JOIN units AS u ON u.unit_id = c.unit_id
    INNER JOIN donors AS d ON d.donor_id = c.donor_id
    WHERE
        d.station_id = the_station
        AND c.station_id = the_station
        AND u.blood_group <> d.blood_group
        AND u.released_at IS NULL
        AND (
            u.status IN ('collected', 'quarantined')
            OR EXISTS (
                SELECT 1 FROM units AS made
                WHERE made.parent_id = u.unit_id AND made.status = 'quarantined'
            )
        )
)
SELECT
    known.donor_id, max(known.last_whole_blood_on), max(known.deferred_until),
    bool_or(known.on_live_call), bool_or(known.disputed)
FROM known GROUP BY known.donor_id
$$;
