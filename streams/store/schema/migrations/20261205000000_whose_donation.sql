-- migrate:up
-- Whose donation it is: the stations that told of a unit of it first, and those that hold one now.
CREATE FUNCTION donation_stations(the_donation text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT s.station_id), '{}')
    FROM units AS u
    CROSS JOIN LATERAL (
        SELECT u.station_id
        UNION
        SELECT a.station_id FROM audit AS a
        WHERE a.subject = u.unit_id AND a.subject_kind = 'unit' AND a.from_state = ''
    ) AS s
    WHERE u.donation_id = the_donation
$$;

-- Whether a result may count: of a station whose donation it is not, only what speaks against a release.
CREATE FUNCTION may_count(the_donation text, the_station text, the_outcome text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT the_outcome IS NOT DISTINCT FROM 'reactive'
        OR cardinality(found.stations) = 0
        OR the_station = ANY(found.stations)
    FROM (SELECT donation_stations(the_donation) AS stations) AS found
$$;

CREATE OR REPLACE FUNCTION is_cleared(the_donation text, the_label text, the_collection timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(found.valid > 0 AND found.against = 0), false)
    FROM needed_tests AS n
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE r.outcome IS DISTINCT FROM 'invalid' AND r.performed_at >= the_collection
            ) AS valid,
            count(*) FILTER (WHERE r.outcome = 'reactive' OR r.blood_group <> the_label) AS against
        FROM test_results AS r
        WHERE
            r.donation_id = the_donation AND r.test = n.test
            AND may_count(r.donation_id, r.station_id, r.outcome)
            AND NOT EXISTS (SELECT 1 FROM test_results AS c WHERE c.supersedes = r.result_id)
    ) AS found
$$;

-- migrate:down
CREATE OR REPLACE FUNCTION is_cleared(the_donation text, the_label text, the_collection timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(found.valid > 0 AND found.against = 0), false)
    FROM needed_tests AS n
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE r.outcome IS DISTINCT FROM 'invalid' AND r.performed_at >= the_collection
            ) AS valid,
            count(*) FILTER (WHERE r.outcome = 'reactive' OR r.blood_group <> the_label) AS against
        FROM test_results AS r
        WHERE
            r.donation_id = the_donation AND r.test = n.test
            AND NOT EXISTS (SELECT 1 FROM test_results AS c WHERE c.supersedes = r.result_id)
    ) AS found
$$;
DROP FUNCTION may_count;
DROP FUNCTION donation_stations;
