-- name: count_cells
-- Bags, by what their labels say that they hold.
WITH stock AS (
    SELECT component, blood_group, volume_ml, count(*) AS bags
    FROM units
    WHERE station_id = :station_id AND status = 'available' AND usable_until > :now
    GROUP BY component, blood_group, volume_ml
),
promised AS (
    SELECT
        u.component,
        u.blood_group,
        u.volume_ml,
        count(*) AS bags,
        count(*) FILTER (WHERE p.held_at >= :recent) AS recently,
        count(*) FILTER (WHERE p.held_at >= :surge) AS in_surge,
        count(*) FILTER (WHERE p.held_at >= :disaster AND r.priority <> 'routine') AS in_disaster
    FROM promises AS p
    INNER JOIN requests AS r USING (request_id)
    INNER JOIN units AS u USING (unit_id)
    WHERE
        r.station_id = :station_id
        AND p.held_at >= :since
        AND p.status IN ('held', 'issued', 'received')
    GROUP BY u.component, u.blood_group, u.volume_ml
)
SELECT
    component,
    blood_group,
    volume_ml,
    coalesce(stock.bags, 0) AS available,
    coalesce(promised.bags, 0) AS promised,
    coalesce(promised.recently, 0) AS promised_recently,
    coalesce(promised.in_surge, 0) AS promised_in_surge,
    coalesce(promised.in_disaster, 0) AS promised_in_disaster
FROM stock FULL JOIN promised USING (component, blood_group, volume_ml)
ORDER BY component, blood_group, volume_ml;

-- name: list_uncovered
SELECT r.body, l.line_no, l.uncovered
FROM requests AS r INNER JOIN request_lines AS l USING (request_id)
WHERE r.station_id = :station_id AND r.status = 'open' AND l.uncovered > 0
ORDER BY r.request_id, l.line_no;

-- name: lock_open_shortages
SELECT body FROM shortages
WHERE station_id = :station_id AND status = 'open'
ORDER BY shortage_id
FOR UPDATE;

-- name: count_shortages
SELECT component, blood_group, count(*) AS shortages
FROM shortages
WHERE station_id = :station_id
GROUP BY component, blood_group;

-- name: find_shortage^
SELECT body FROM shortages WHERE shortage_id = :shortage_id;

-- name: write_shortage!
INSERT INTO shortages (
    shortage_id, station_id, component, blood_group, level, status, units_missing, donor_groups, version,
    body, opened_at, assessed_at
) VALUES (
    :shortage_id, :station_id, :component, :blood_group, :level, :status, :units_missing,
    :donor_groups::text[], :version, :body, :now, :now
) ON CONFLICT (shortage_id) DO UPDATE SET
    level = excluded.level,
    status = excluded.status,
    units_missing = excluded.units_missing,
    donor_groups = excluded.donor_groups,
    version = excluded.version,
    body = excluded.body,
    assessed_at = excluded.assessed_at;

-- name: list_in_transit
SELECT
    u.unit_id, u.station_id, u.component, u.blood_group, u.volume_ml, u.status, u.collected_at,
    u.expires_at, u.released_at, u.epoch, u.traits, u.out_of_control_s,
    u.doubted_at IS NOT NULL AS may_have_left, t.agreed_at, t.eta_s
FROM promises AS p
INNER JOIN units AS u USING (unit_id)
INNER JOIN transfers AS t USING (transfer_id)
INNER JOIN offers AS o USING (offer_id)
WHERE o.shortage_id = :shortage_id AND p.status IN ('held', 'issued');

-- name: find_offer^
SELECT offer_id FROM offers WHERE offer_id = :offer_id;

-- name: write_offer!
INSERT INTO offers (
    offer_id, shortage_id, from_station_id, to_station_id, status, body, decided_at
) VALUES (
    :offer_id, :shortage_id, :from_station_id, :to_station_id, :status, :body, :now
);

-- name: promise_to_transfer$
-- The count tells whether every unit was still as it was read; if not, the caller decides again.
WITH promised AS (
    SELECT x.* FROM jsonb_to_recordset(:payload::jsonb) AS x (
        promise_id text, unit_id text, component text, blood_group text, epoch int
    )
),
unit_rows AS (
    UPDATE units AS u SET status = 'reserved', epoch = promised.epoch
    FROM promised
    WHERE
        u.unit_id = promised.unit_id
        AND u.station_id = :from_station_id::text
        AND u.status = 'available'
        AND u.epoch = promised.epoch - 1
    RETURNING u.unit_id
),
promise_rows AS (
    INSERT INTO promises (
        promise_id, unit_id, component, blood_group, epoch, transfer_id, status, rule, reason,
        held_at, hold_until
    )
    SELECT
        promise_id, unit_id, component, blood_group, epoch, :transfer_id::text, 'held',
        :rule::text, :reason::jsonb, coalesce(after_the_last.ended_at, :now::timestamptz),
        :hold_until::timestamptz
    -- Through the guarded rows: a lost race is a smaller count, not a broken constraint.
    FROM promised INNER JOIN unit_rows USING (unit_id)
    -- As for patients: promises of one unit follow each other in time as they do in epochs.
    LEFT JOIN LATERAL (
        SELECT p.ended_at FROM promises AS p
        WHERE p.unit_id = promised.unit_id AND p.epoch < promised.epoch AND p.ended_at > :now::timestamptz
        ORDER BY p.epoch DESC LIMIT 1
    ) AS after_the_last ON true
)
SELECT count(*) FROM unit_rows;

-- name: find_transfer_ends^
SELECT from_station_id, to_station_id FROM transfers WHERE transfer_id = :transfer_id;

-- name: lock_transfer^
SELECT body, status FROM transfers WHERE transfer_id = :transfer_id FOR UPDATE;

-- name: write_transfer!
INSERT INTO transfers (
    transfer_id, offer_id, from_station_id, to_station_id, status, eta_s, body, agreed_at, updated_at
) VALUES (
    :transfer_id, :offer_id, :from_station_id, :to_station_id, :status, :eta_s, :body, :agreed_at, :now
) ON CONFLICT (transfer_id) DO UPDATE SET
    status = excluded.status, body = excluded.body, updated_at = excluded.updated_at;

-- name: count_promises
SELECT status, count(*) AS units FROM promises WHERE transfer_id = :transfer_id GROUP BY status;
