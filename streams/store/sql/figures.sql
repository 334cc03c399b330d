-- name: list_stock_days
SELECT
    station_id, day, component, blood_group, available, burn_per_d, days_of_supply, uncovered, level
FROM stock_days
WHERE
    (:station_id::text IS NULL OR station_id = :station_id::text)
    AND day >= :day_from::date AND day < :day_until::date;

-- name: rate_testing^
-- A unit leaves quarantine only under its serology and NAT results: the act of release refuses
-- anything less. A unit that was counted as released came with none that we hold. This query is the
-- one place that says which results are recorded.
WITH made_available AS (
    SELECT u.donation_id, bool_and(a.from_state = 'quarantined') AS has_results
    FROM audit AS a INNER JOIN units AS u ON u.unit_id = a.subject
    WHERE
        a.subject_kind = 'unit'
        AND a.to_state = 'available'
        AND a.from_state IN ('', 'quarantined')
        AND a.at >= :at_from::timestamptz
        AND a.at < :at_until::timestamptz
        AND (:station_id::text IS NULL OR a.station_id = :station_id::text)
    GROUP BY u.donation_id
)
SELECT count(*) AS released, count(*) FILTER (WHERE has_results) AS covered FROM made_available;
