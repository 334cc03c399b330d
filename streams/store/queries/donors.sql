-- name: list_foreign_donors
SELECT donor_id FROM donors
WHERE donor_id = ANY(:donor_ids::text[]) AND station_id <> :station_id::text
ORDER BY donor_id;

-- name: put_donors
-- What was learnt of a donor stays. A donation that we know of and the file does not is never
-- forgotten: the six months count from the later of the two. Which fields changed comes back by name
-- only: the audit is kept for good, and a donor may ask to be forgotten.
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(:payload::jsonb) AS x (
        donor_id text, blood_group text, body jsonb, last_whole_blood_on date
    )
),
put AS (
    INSERT INTO donors AS d (donor_id, station_id, blood_group, body, last_whole_blood_on)
    SELECT donor_id, :station_id::text, blood_group, body, last_whole_blood_on
    FROM incoming
    ORDER BY donor_id
    ON CONFLICT (donor_id) DO UPDATE SET
        blood_group = excluded.blood_group,
        last_whole_blood_on = greatest(d.last_whole_blood_on, excluded.last_whole_blood_on),
        body = CASE
            WHEN greatest(d.last_whole_blood_on, excluded.last_whole_blood_on) IS NULL
            THEN excluded.body
            ELSE excluded.body || jsonb_build_object(
                'last_whole_blood_on', greatest(d.last_whole_blood_on, excluded.last_whole_blood_on)
            )
        END
    WHERE d.station_id = excluded.station_id
    RETURNING donor_id, old.donor_id IS NULL AS is_new, old.body AS body_before, new.body AS body_after
)
SELECT
    donor_id, is_new,
    ARRAY(
        SELECT coalesce(b.key, a.key)
        FROM jsonb_each(body_before) AS b FULL JOIN jsonb_each(body_after) AS a USING (key)
        WHERE b.value IS DISTINCT FROM a.value
        ORDER BY 1
    ) AS changed
FROM put
ORDER BY donor_id;

-- name: read_donors
SELECT donor_id, body, md5(body::text) AS version FROM donors
WHERE donor_id = ANY(:donor_ids::text[]) AND station_id = :station_id::text;

-- name: lock_donors
SELECT donor_id, body, md5(body::text) AS version FROM donors
WHERE donor_id = ANY(:donor_ids::text[]) AND station_id = :station_id::text
ORDER BY donor_id
FOR UPDATE;

-- name: list_registered_donors
SELECT body, md5(body::text) AS version, called, accepted FROM donors
WHERE
    station_id = :station_id::text
    AND (:donor_id::text IS NULL OR donor_id = :donor_id::text)
    AND (:after::text IS NULL OR donor_id > :after::text)
ORDER BY donor_id
LIMIT :limit;

-- name: set_timer!
INSERT INTO timers (timer_id, kind, subject, due_at)
VALUES (:timer_id, :kind, :subject, :due_at)
ON CONFLICT (timer_id) DO UPDATE SET due_at = least(timers.due_at, excluded.due_at);

-- name: list_twins
-- A pair within the station comes once. Of another station's donor nothing is told but that it is.
SELECT
    d.donor_id,
    CASE WHEN t.station_id = :station_id::text THEN t.donor_id END AS other_id,
    bool_or(t.contact_key = d.contact_key AND d.contact_key <> '') AS same_contact,
    bool_or(
        t.person_key = d.person_key
        OR (t.contact_key = d.contact_key AND t.body ->> 'born_on' = d.body ->> 'born_on')
    ) AS same_person,
    bool_or(t.station_id = d.station_id AND ltrim(t.donor_id, '0') = ltrim(d.donor_id, '0'))
        AS same_number
FROM donors AS d
INNER JOIN donors AS t
    ON t.donor_id <> d.donor_id
    AND (
        t.person_key = d.person_key
        OR (t.contact_key = d.contact_key AND d.contact_key <> '')
        OR (t.station_id = d.station_id AND ltrim(t.donor_id, '0') = ltrim(d.donor_id, '0'))
    )
WHERE
    d.donor_id = ANY(:donor_ids::text[])
    AND NOT (
        t.station_id = :station_id::text
        AND t.donor_id = ANY(:donor_ids::text[])
        AND t.donor_id < d.donor_id
    )
GROUP BY 1, 2
ORDER BY 1, 2;
