-- name: list_shelf
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left
FROM unnest(:stations::text[], :components::text[], :groups::text[], :limits::int[])
AS w (station_id, component, blood_group, most)
CROSS JOIN LATERAL (
    SELECT * FROM units
    WHERE
        station_id = w.station_id
        AND component = w.component
        AND blood_group = w.blood_group
        AND status = 'available'
        AND usable_until > :now::timestamptz
    -- streams/matching/choice_order.py
    ORDER BY (doubted_at IS NOT NULL), rarity, expires_at, unit_id
    LIMIT w.most
) AS u;

-- name: lock_units
-- The requests that they are promised to come first, as where a hospital changes its request.
WITH bound AS MATERIALIZED (
    SELECT r.request_id FROM requests AS r
    WHERE
        r.request_id = ANY(ARRAY(
            SELECT p.request_id FROM promises AS p
            WHERE p.unit_id = ANY(:unit_ids::text[]) AND p.status IN ('held', 'issued')
        ))
        AND (:locked::text[] IS NULL OR r.station_id = ANY(:locked::text[]))
    ORDER BY r.request_id
    FOR UPDATE
)
SELECT
    unit_id, station_id, donation_id, component, blood_group, volume_ml, collected_at, expires_at,
    usable_until, status, epoch, released_at, attested_by, traits, out_of_control_s,
    doubted_at IS NOT NULL AS may_have_left,
    status = 'returned' AND was_handed_over(unit_id) AS handed_over
FROM units
WHERE
    (SELECT count(*) FROM bound) >= 0
    AND unit_id = ANY(:unit_ids::text[])
    -- Of a station whose lock the transaction has not, none is even waited for.
    AND (:locked::text[] IS NULL OR station_id = ANY(:locked::text[]))
ORDER BY unit_id
FOR UPDATE;

-- name: list_unit_stations
SELECT DISTINCT station_id FROM units WHERE unit_id = ANY(:unit_ids::text[]);

-- name: list_live_promises
SELECT
    p.promise_id, p.unit_id, p.epoch, p.status, p.request_id, p.transfer_id, p.line_no, p.capped,
    t.to_station_id
FROM promises AS p LEFT JOIN transfers AS t USING (transfer_id)
WHERE p.unit_id = ANY(:unit_ids::text[]) AND p.status IN ('held', 'issued');

-- name: list_sent
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left, p.line_no
FROM promises AS p INNER JOIN units AS u USING (unit_id)
WHERE
    p.request_id = :request_id AND p.status IN ('issued', 'received')
    AND u.status IN ('issued', 'in_transit', 'received', 'transfused')
ORDER BY u.unit_id;

-- name: find_unit^
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left,
    p.request_id, p.line_no, p.transfer_id, r.priority
FROM units AS u
LEFT JOIN promises AS p ON p.unit_id = u.unit_id AND p.status IN ('held', 'issued')
LEFT JOIN requests AS r ON r.request_id = p.request_id
WHERE u.unit_id = :unit_id;

-- name: list_given_by_hand
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left,
    p.line_no, p.reason
FROM promises AS p INNER JOIN units AS u USING (unit_id)
WHERE
    p.request_id = :request_id::text AND p.status = 'held' AND u.status = 'reserved'
    AND starts_with(p.reason ->> 'code', 'given_by_hand')
ORDER BY p.held_at, u.unit_id;

-- name: list_units_of_donation
SELECT unit_id FROM units WHERE donation_id = :donation_id::text ORDER BY unit_id;

-- name: find_last_promise^
SELECT promise_id, unit_id, epoch, status, request_id, transfer_id, line_no, capped
FROM promises
WHERE unit_id = :unit_id::text
ORDER BY epoch DESC
LIMIT 1;

-- name: add_units!
INSERT INTO units (
    unit_id, donation_id, station_id, component, blood_group, volume_ml, collected_at, expires_at,
    made_until, traits, low_titre, status, source, released_at, attested_by, parent_id
)
SELECT
    x.unit_id, x.donation_id, x.station_id, x.component, x.blood_group, x.volume_ml, x.collected_at,
    x.expires_at, x.made_until, x.traits, x.low_titre, x.status, x.source, x.released_at, x.attested_by, x.parent_id
FROM jsonb_to_recordset(:payload::jsonb) AS x (
    unit_id text, donation_id text, station_id text, component text, blood_group text, volume_ml int,
    collected_at timestamptz, expires_at timestamptz, made_until timestamptz, traits jsonb,
    low_titre boolean, status text,
    source text, released_at timestamptz, attested_by text, parent_id text
);

-- name: move_unit!
UPDATE units SET
    status = :status::text,
    released_at = coalesce(:released_at::timestamptz, released_at),
    station_id = coalesce(:station_id::text, station_id),
    source = coalesce(:source::text, source),
    out_of_control_s = out_of_control_s + :add_out_of_control_s::int,
    -- Whoever moves it has it.
    doubted_at = NULL
WHERE unit_id = :unit_id;

-- name: note_thawing!
UPDATE units SET
    traits = :thawed::jsonb || traits,
    made_until = least(made_until, :made_until::timestamptz)
WHERE unit_id = :unit_id;

-- name: add_hold!
INSERT INTO unit_holds (
    unit_id, station_id, actor, by, reason, placed_at, until, caused_by
) VALUES (
    :unit_id, :station_id, :actor, :by, :reason, :placed_at, :until, :caused_by
);

-- name: find_hold^
SELECT unit_id, station_id, actor, by, reason, placed_at, until, caused_by
FROM unit_holds WHERE unit_id = :unit_id AND ended_at IS NULL;

-- name: end_hold!
UPDATE unit_holds SET ended_at = :now, ended_by = :by, ended_why = :why
WHERE unit_id = :unit_id AND ended_at IS NULL;

-- name: add_scan!
INSERT INTO unit_scans (
    unit_id, change, actor, facility_id, done_by, epoch, out_of_control_s, happened_at, caused_by,
    recorded_at
) VALUES (
    :unit_id, :change, :actor, :facility_id, :done_by, :epoch, :out_of_control_s, :happened_at,
    :caused_by, :now
);

-- name: end_promise!
UPDATE promises SET
    status = :status::text,
    ended_at = CASE WHEN :status::text = 'issued' THEN NULL ELSE :now::timestamptz END
WHERE promise_id = :promise_id;

-- name: release_held
-- The unit's row is taken before its promise, as every other step of its life does it.
WITH free AS (
    SELECT u.unit_id
    FROM units AS u
    INNER JOIN promises AS p USING (unit_id)
    WHERE
        p.status = 'held'
        AND (p.request_id = :request_id::text OR p.transfer_id = :transfer_id::text)
        AND u.status = ANY(:states::text[])
        AND (:unit_ids::text[] IS NULL OR u.unit_id = ANY(:unit_ids::text[]))
    ORDER BY u.unit_id
    FOR UPDATE OF u
),
given_back AS (
    UPDATE promises SET status = 'released', ended_at = :now::timestamptz
    WHERE
        status = 'held'
        AND (request_id = :request_id::text OR transfer_id = :transfer_id::text)
        AND unit_id IN (SELECT unit_id FROM free)
    RETURNING unit_id
),
freed AS (
    UPDATE units SET
        status = 'available',
        doubted_at = CASE WHEN :may_have_left THEN :now::timestamptz ELSE doubted_at END
    WHERE unit_id IN (SELECT unit_id FROM given_back)
    RETURNING unit_id, station_id, old.status AS was
)
SELECT unit_id, station_id, was FROM freed ORDER BY unit_id;

-- name: list_promised
-- First what a routine order would lose, then in the order of choice.
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left,
    u.request_id, u.priority
FROM unnest(:stations::text[], :components::text[], :groups::text[], :limits::int[])
AS w (station_id, component, blood_group, most)
CROSS JOIN LATERAL (
    SELECT held.*, r.request_id, r.priority
    FROM units AS held
    INNER JOIN promises AS p ON p.unit_id = held.unit_id AND p.status = 'held'
    INNER JOIN requests AS r ON r.request_id = p.request_id
    WHERE
        held.station_id = w.station_id
        AND held.component = w.component
        AND held.blood_group = w.blood_group
        AND held.status = 'reserved'
        AND held.usable_until > :now::timestamptz
        AND r.status IN ('open', 'reserved', 'partly_refused')
        AND r.priority <> 'life_threatening'
    ORDER BY r.priority = 'urgent', held.rarity, held.expires_at, held.unit_id
    LIMIT w.most
) AS u;

-- name: take_back
-- Requests before units, as everywhere; whatever another transaction has at this moment is left to
-- it, so that nobody who is in danger waits, and no circle forms.
WITH bound AS MATERIALIZED (
    SELECT r.request_id FROM requests AS r
    WHERE
        r.request_id = ANY(ARRAY(
            SELECT p.request_id FROM promises AS p
            WHERE p.unit_id = ANY(:unit_ids::text[]) AND p.status = 'held'
        ))
        AND r.priority <> 'life_threatening'
    ORDER BY r.request_id
    FOR UPDATE SKIP LOCKED
),
theirs AS MATERIALIZED (
    SELECT p.promise_id, p.unit_id, p.request_id
    FROM promises AS p
    WHERE
        p.unit_id = ANY(:unit_ids::text[]) AND p.status = 'held'
        AND p.request_id IN (SELECT request_id FROM bound)
),
free AS MATERIALIZED (
    SELECT u.unit_id FROM units AS u
    WHERE u.unit_id IN (SELECT unit_id FROM theirs) AND u.status = 'reserved'
    ORDER BY u.unit_id
    FOR UPDATE SKIP LOCKED
),
given_back AS (
    UPDATE promises AS p SET status = 'released', ended_at = :now::timestamptz
    FROM theirs AS t
    WHERE
        p.promise_id = t.promise_id AND p.status = 'held'
        AND t.unit_id IN (SELECT unit_id FROM free)
    RETURNING p.unit_id, p.request_id
),
freed AS (
    UPDATE units AS u SET status = 'available'
    FROM given_back AS g
    WHERE u.unit_id = g.unit_id
    RETURNING u.unit_id, u.station_id, g.request_id
)
SELECT unit_id, station_id, request_id FROM freed ORDER BY unit_id;

-- name: list_held_past
SELECT DISTINCT p.request_id FROM promises AS p
INNER JOIN units AS u ON u.unit_id = p.unit_id
WHERE
    p.status = 'held'
    AND p.request_id IS NOT NULL
    AND p.hold_until <= :now::timestamptz
    AND u.status IN ('reserved', 'picked')
ORDER BY p.request_id
LIMIT 1000;

-- name: list_units_held_past
SELECT u.unit_id FROM promises AS p
INNER JOIN units AS u ON u.unit_id = p.unit_id
WHERE
    p.status = 'held'
    AND p.request_id = :request_id::text
    AND p.hold_until <= :now::timestamptz
    AND u.status IN ('reserved', 'picked')
ORDER BY u.unit_id;

-- name: list_expired
SELECT unit_id FROM units
WHERE
    usable_until <= :now
    AND status IN ('collected', 'quarantined', 'available', 'on_hold', 'reserved', 'picked', 'returned')
ORDER BY unit_id
LIMIT 1000;

-- name: count_stock
SELECT component, blood_group, status, count(*) AS units
FROM units
WHERE station_id = :station_id
GROUP BY component, blood_group, status
ORDER BY component, blood_group, status;
