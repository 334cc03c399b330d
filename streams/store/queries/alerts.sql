-- name: list_active_stations
SELECT station_id FROM activations WHERE event_key = :event_key;

-- name: find_newest_alert^
SELECT body, told_by FROM alerts
WHERE event_key = :event_key AND outcome <> 'held'
ORDER BY revision DESC, received_at, alert_id
LIMIT 1;

-- name: list_alerts
SELECT body FROM alerts
WHERE
    event_key = :event_key
    AND revision < :before_revision
    AND outcome IN ('answered', 'unanswered')
ORDER BY revision, received_at, alert_id;

-- name: settle_alert!
UPDATE alerts SET outcome = :outcome, reasons = :reasons WHERE alert_id = :alert_id;

-- name: list_open_event_keys
SELECT DISTINCT event_key FROM activations
WHERE station_id = :station_id AND status = 'open' AND NOT (body ->> 'exercise')::boolean
ORDER BY event_key;

-- name: add_alert$
INSERT INTO alerts (alert_id, event_key, revision, body, told_by, received_at)
VALUES (:alert_id, :event_key, :revision, :body, :told_by, :now)
ON CONFLICT (alert_id) DO NOTHING
RETURNING alert_id;

-- name: list_activations
SELECT body, opened_at FROM activations WHERE event_key = :event_key ORDER BY station_id;

-- name: find_activation^
SELECT body, opened_at FROM activations WHERE activation_id = :activation_id;

-- name: list_open_activations
SELECT body, opened_at FROM activations
WHERE station_id = :station_id AND status = 'open' AND NOT (body ->> 'exercise')::boolean
ORDER BY opened_at DESC, activation_id;

-- name: write_activation!
INSERT INTO activations (
    activation_id, event_key, station_id, status, revision, donors_wanted, body, opened_at, decided_at
) VALUES (
    :activation_id, :event_key, :station_id, :status, :revision, :donors_wanted, :body, :decided_at,
    :decided_at
) ON CONFLICT (activation_id) DO UPDATE SET
    status = excluded.status,
    revision = excluded.revision,
    donors_wanted = excluded.donors_wanted,
    body = excluded.body,
    decided_at = excluded.decided_at;

-- name: count_red_cells
-- Blood that patients were promised since the disaster began has served it, wherever it is now.
SELECT u.station_id, count(*) AS units
FROM units AS u
WHERE
    u.station_id = ANY(:station_ids::text[])
    AND u.component = 'red_cells'
    AND (
        (u.status = 'available' AND u.usable_until > :now::timestamptz)
        -- On its way from one of these stations to another, it is no less there.
        OR EXISTS (
            SELECT 1 FROM promises AS p INNER JOIN transfers AS t USING (transfer_id)
            WHERE
                p.unit_id = u.unit_id
                AND p.status IN ('held', 'issued')
                AND t.to_station_id = ANY(:station_ids::text[])
        )
        OR EXISTS (
            SELECT 1 FROM promises AS p INNER JOIN requests AS r USING (request_id)
            WHERE
                p.unit_id = u.unit_id
                AND p.status IN ('held', 'issued', 'received')
                AND p.held_at >= :since::timestamptz
                AND r.priority <> 'routine'
        )
    )
    AND NOT EXISTS (
        SELECT 1 FROM call_outs AS c INNER JOIN activations AS a ON c.cause_id = a.activation_id
        WHERE c.unit_id IN (u.unit_id, u.parent_id) AND a.event_key = :event_key
    )
GROUP BY u.station_id;
