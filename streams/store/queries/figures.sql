-- name: list_stock_days
SELECT
    station_id, day, component, blood_group, available, burn_per_d, days_of_supply, uncovered, level
FROM stock_days
WHERE
    (:station_id::text IS NULL OR station_id = :station_id::text)
    AND day >= :day_from::date AND day < :day_until::date;

-- name: count_emergency_releases^
SELECT count(*) AS units, count(DISTINCT p.request_id) AS requests
FROM promises AS p INNER JOIN requests AS r USING (request_id)
WHERE
    p.emergency
    AND p.held_at >= :at_from::timestamptz
    AND p.held_at < :at_until::timestamptz
    AND (:station_id::text IS NULL OR r.station_id = :station_id::text);

-- name: rate_testing^
-- Donations of which a unit was released in the period, and those of them of which every such unit
-- was released by its results: each needed test had one that counted, and none that spoke against
-- it, at the release. What was corrected later counted then; what a station attested has its results
-- elsewhere.
WITH released AS (
    SELECT u.donation_id, u.blood_group, u.released_at, u.attested_by
    FROM units AS u
    INNER JOIN LATERAL (
        SELECT station_id, at FROM audit
        WHERE
            subject = u.unit_id AND subject_kind = 'unit' AND to_state = 'available'
            AND from_state IN ('', 'quarantined')
        ORDER BY audit_id
        LIMIT 1
    ) AS a ON true
    WHERE
        u.released_at IS NOT NULL
        AND a.at >= :at_from::timestamptz
        AND a.at < :at_until::timestamptz
        AND (:station_id::text IS NULL OR a.station_id = :station_id::text)
),
tested AS (
    SELECT
        r.donation_id,
        r.attested_by IS NULL AND NOT EXISTS (
            SELECT 1 FROM needed_tests AS n
            WHERE NOT EXISTS (
                SELECT 1 FROM test_results AS t
                WHERE
                    t.donation_id = r.donation_id
                    AND is_result_of(t.test, t.method, n.test, n.unnamed_counts)
                    AND t.recorded_at <= r.released_at
                    AND (t.outcome = 'nonreactive' OR t.blood_group = r.blood_group)
                    AND NOT EXISTS (
                        SELECT 1 FROM test_results AS c
                        WHERE c.supersedes = t.result_id AND c.recorded_at <= r.released_at
                    )
            )
        ) AS is_covered
    FROM released AS r
),
donations AS (
    SELECT donation_id, bool_and(is_covered) AS is_covered FROM tested GROUP BY donation_id
)
SELECT count(*) AS released, count(*) FILTER (WHERE is_covered) AS covered FROM donations;
