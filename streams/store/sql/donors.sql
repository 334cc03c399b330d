-- name: list_foreign_donors
SELECT donor_id FROM donors
WHERE donor_id = ANY(:donor_ids::text[]) AND station_id <> :station_id::text
ORDER BY donor_id;

-- name: put_donors$
-- What was learnt of a donor stays. A donation that we know of and the file does not is never
-- forgotten: the six months count from the later of the two.
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
    RETURNING donor_id
),
audited AS (
    INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
    SELECT 'donor', donor_id, :station_id::text, '', 'imported', 'import', :by::text, :now::timestamptz
    FROM put
)
SELECT count(*) FROM put;
