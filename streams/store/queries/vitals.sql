-- name: list_strange_units
SELECT
    unit_id, donation_id, station_id, status,
    status IN ('split', 'transfused', 'discarded') AS is_ended
FROM units
WHERE
    unit_id !~ :pattern OR donation_id !~ :pattern
    OR upper(unit_id) = ANY(:codes::text[]) OR upper(donation_id) = ANY(:codes::text[])
ORDER BY is_ended, station_id, unit_id;

-- name: list_overdue
SELECT
    mark, request_id, transfer_id, hospital_id, station_id, from_station_id, priority, needed_by,
    since, due_at, units, bags, count(*) OVER (PARTITION BY mark) AS of_mark
FROM list_overdue(:now::timestamptz)
WHERE
    (:mark::text IS NULL OR mark = :mark::text)
    AND (
        :station_id::text IS NULL
        OR station_id = :station_id::text
        OR from_station_id = :station_id::text
    )
    AND (:hospital_id::text IS NULL OR hospital_id = :hospital_id::text)
ORDER BY
    array_position(ARRAY['life_threatening', 'urgent', 'routine'], priority) NULLS LAST, since,
    mark, request_id, transfer_id
LIMIT :limit;

-- name: count_overdue
SELECT mark, count(*) AS rows FROM list_overdue(:now::timestamptz) GROUP BY mark;

-- name: list_dead_letters
-- Without body, key and foreign headers: those stay with whoever runs the system. A station sees the
-- records of its own key, in topics whose key is a station.
SELECT
    d.dead_letter_id, d.topic, d.partition, d.log_offset, d.reader, d.key, d.headers, d.code,
    d.params, d.is_life_threatening, d.quarantined_at, d.replayed_at
FROM dead_letters AS d
WHERE
    (
        :station_id::text IS NULL
        OR (
            d.key = convert_to(:station_id::text, 'UTF8')
            AND d.topic = ANY(:station_topics::text[])
        )
    )
    AND (:with_replayed::boolean OR d.replayed_at IS NULL)
    AND (
        :after::text IS NULL
        OR (d.is_life_threatening, d.quarantined_at, :after::text) < (
            SELECT x.is_life_threatening, x.quarantined_at, d.dead_letter_id FROM dead_letters AS x
            WHERE x.dead_letter_id = :after::text
        )
    )
ORDER BY d.is_life_threatening DESC, d.quarantined_at DESC, d.dead_letter_id
LIMIT :limit;

-- name: count_open_requests
SELECT priority, count(*) AS requests, min(opened_at) AS oldest_at
FROM requests WHERE status = 'open' GROUP BY priority;

-- name: count_waiting_letters
SELECT reader, code, count(*) AS letters FROM dead_letters
WHERE replayed_at IS NULL GROUP BY reader, code;

-- name: count_life_threatening_letters^
SELECT count(*) AS kept, count(*) FILTER (WHERE replayed_at IS NULL) AS waiting
FROM dead_letters WHERE is_life_threatening;

-- name: measure_outbox^
SELECT count(*) AS rows, min(made_at) AS oldest_at FROM outbox WHERE published_at IS NULL;

-- name: find_oldest_timer$
SELECT min(due_at) FROM timers;

-- name: count_shortages
SELECT level, count(*) AS shortages FROM shortages WHERE status = 'open' GROUP BY level;

-- name: count_live_calls
SELECT station_id, status, count(*) AS calls FROM call_outs
WHERE status IN ('called', 'accepted', 'arrived') GROUP BY station_id, status;

-- name: measure_stock
-- What lies free now, and how long it lasts at the rate of the last day that was counted.
WITH burn AS (
    SELECT s.station_id, s.component, s.blood_group, s.burn_per_d
    FROM stock_days AS s
    INNER JOIN (
        SELECT station_id, max(day) AS day FROM stock_days GROUP BY station_id
    ) AS last USING (station_id, day)
),
free AS (
    SELECT u.station_id, u.component, u.blood_group, count(*) AS units
    FROM units AS u
    WHERE u.status = 'available' AND u.usable_until > :now::timestamptz
    GROUP BY u.station_id, u.component, u.blood_group
)
SELECT
    station_id, component, coalesce(sum(free.units), 0) AS units,
    coalesce(sum(burn.burn_per_d), 0) AS burn_per_d
FROM burn FULL OUTER JOIN free USING (station_id, component, blood_group)
GROUP BY station_id, component;
