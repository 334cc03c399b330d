-- name: ping
SELECT 1;

-- name: list_fates
-- What became of events that were taken in: quarantined (a code) or acted on; and how their requests
-- stand now. A later record that reused an id says nothing about the first one.
SELECT
    i.reader, i.source, i.event_id, x.request_id, i.digest, i.taken_at, q.code, q.params, r.status,
    d.body AS decision
FROM unnest(:readers::text[], :sources::text[], :event_ids::text[], :request_ids::text[])
AS x (reader, source, event_id, request_id)
INNER JOIN inbox AS i
    ON i.reader = x.reader AND i.source = x.source AND i.event_id = x.event_id
LEFT JOIN requests AS r ON r.request_id = x.request_id
LEFT JOIN LATERAL (
    SELECT body FROM decisions WHERE request_id = r.request_id ORDER BY version DESC LIMIT 1
) AS d ON true
LEFT JOIN LATERAL (
    SELECT code, params FROM dead_letters
    WHERE
        topic = i.topic
        AND code <> 'event_id_reused'
        AND headers @> jsonb_build_array(jsonb_build_array('ce_id', i.event_id))
        AND headers @> jsonb_build_array(jsonb_build_array('ce_source', i.source))
    ORDER BY quarantined_at DESC
    LIMIT 1
) AS q ON true;

-- name: find_request
SELECT
    request_id, hospital_id, station_id, priority, needed_by, status, waiting_for, version, body,
    opened_at, decided_at
FROM requests WHERE request_id = :request_id::text;

-- name: find_patient
SELECT body, version, changed_at FROM patients
WHERE hospital_id = :hospital_id::text AND reference_key = lower(:reference::text);

-- name: list_requests
SELECT
    request_id, hospital_id, station_id, priority, needed_by, status, waiting_for, version,
    opened_at, decided_at, body -> 'patient' ->> 'group' AS patient_group, body,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'line_no', p.line_no, 'component', u.component, 'volume_ml', u.volume_ml
        )), '[]')
        FROM promises AS p INNER JOIN units AS u USING (unit_id)
        WHERE p.request_id = requests.request_id AND p.status IN ('held', 'issued', 'received')
    ) AS bags
FROM requests
WHERE
    (:hospital_id::text IS NULL OR hospital_id = :hospital_id::text)
    AND (:station_id::text IS NULL OR station_id = :station_id::text)
    AND (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
    AND (:priority::text IS NULL OR priority = :priority::text)
    AND (:opened_from::timestamptz IS NULL OR opened_at >= :opened_from::timestamptz)
    AND (
        :before_at::timestamptz IS NULL
        OR (opened_at, request_id) < (:before_at::timestamptz, :before_id::text)
    )
ORDER BY opened_at DESC, request_id DESC
LIMIT :limit;

-- name: list_waiting_requests
-- Who still lacks blood, and whose blood is late: life-threatening first, then by the time of need.
SELECT
    r.request_id, r.hospital_id, r.station_id, r.priority, r.needed_by, r.status, r.waiting_for,
    r.opened_at, r.body -> 'patient' ->> 'group' AS patient_group, r.body,
    r.needed_by < :now::timestamptz AS is_late,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'line_no', p.line_no, 'component', u.component, 'volume_ml', u.volume_ml
        )), '[]')
        FROM promises AS p INNER JOIN units AS u USING (unit_id)
        WHERE p.request_id = r.request_id AND p.status IN ('held', 'issued', 'received')
    ) AS bags
FROM requests AS r
WHERE
    (r.status = 'open' OR (r.status = 'reserved' AND r.needed_by < :now::timestamptz))
    AND (:hospital_id::text IS NULL OR r.hospital_id = :hospital_id::text)
    AND (:station_id::text IS NULL OR r.station_id = :station_id::text)
ORDER BY
    array_position(ARRAY['life_threatening', 'urgent', 'routine'], r.priority::text),
    r.needed_by, r.request_id
LIMIT :limit;

-- name: count_live_calls
SELECT station_id, status, count(*) AS calls
FROM call_outs
WHERE
    status IN ('called', 'accepted', 'arrived')
    AND (:station_id::text IS NULL OR station_id = :station_id::text)
GROUP BY station_id, status
ORDER BY station_id, status;

-- name: count_waiting_letters^
-- A station's are those of its own key, in topics whose key is a station.
SELECT
    count(*) AS letters,
    count(*) FILTER (WHERE is_life_threatening) AS life_threatening,
    min(quarantined_at) AS oldest_at
FROM dead_letters
WHERE
    replayed_at IS NULL
    AND (
        :station_id::text IS NULL
        OR (key = convert_to(:station_id::text, 'UTF8') AND topic = ANY(:station_topics::text[]))
    );

-- name: list_decisions
-- Every decision has its row in the audit, which says why it was made.
SELECT d.body, a.why
FROM decisions AS d
LEFT JOIN (
    SELECT row_number() OVER (ORDER BY audit_id) AS version, why
    FROM audit
    WHERE subject = :request_id::text AND subject_kind = 'request'
) AS a USING (version)
WHERE d.request_id = :request_id::text
ORDER BY d.version;

-- name: list_lines
SELECT line_no, component, measure, quantity, uncovered, unconfirmed
FROM request_lines WHERE request_id = :request_id::text ORDER BY line_no;

-- name: list_promises
SELECT
    p.promise_id, p.unit_id, p.component, p.blood_group, p.epoch, p.line_no, p.status, p.reason,
    p.held_at, p.hold_until, p.ended_at, u.status AS unit_status, u.source AS unit_source,
    u.expires_at, u.volume_ml,
    (
        SELECT max(a.at) FROM audit AS a
        WHERE
            a.subject = p.unit_id AND a.subject_kind = 'unit' AND a.to_state = 'issued'
            AND a.at >= p.held_at
    ) AS issued_at
FROM promises AS p
INNER JOIN units AS u USING (unit_id)
WHERE p.request_id = :request_id::text
ORDER BY p.held_at, p.unit_id, p.epoch;

-- name: list_place_calls
-- Calls for the shortages of the components of the request until it ended, of whatever group; who
-- serves what it lacks, the reader tells. A donation counts that came after the request, or whose bag
-- waits for its results.
SELECT
    s.shortage_id, s.component, s.blood_group, c.donor_id, d.blood_group AS donor_group, c.status,
    c.status <> 'donated'
    OR c.ended_at >= r.opened_at
    OR coalesce(u.status IN ('collected', 'quarantined'), false)
    OR EXISTS (
        SELECT 1 FROM units AS made
        WHERE made.parent_id = u.unit_id AND made.status = 'quarantined'
    ) AS counts
FROM requests AS r
INNER JOIN shortages AS s ON s.station_id = r.station_id AND s.assessed_at >= r.opened_at
INNER JOIN call_outs AS c ON c.cause_id = s.shortage_id
INNER JOIN donors AS d USING (donor_id)
LEFT JOIN units AS u ON u.unit_id = c.unit_id
WHERE
    r.request_id = :request_id::text
    AND (c.called_at <= r.decided_at OR r.waiting_for <> '')
    AND EXISTS (
        SELECT 1 FROM request_lines AS l
        WHERE l.request_id = r.request_id AND l.component = s.component
    )
ORDER BY c.called_at, c.call_out_id;

-- name: list_place_transfers
-- Transfers for the shortages of the components of the request. What was agreed may have been lost
-- since: live are those whose promise is.
SELECT
    t.transfer_id, t.from_station_id, t.to_station_id, t.status, t.agreed_at, t.updated_at,
    o.shortage_id, s.component, s.blood_group, o.body ->> 'group' AS units_group,
    t.eta_s,
    jsonb_array_length(t.body -> 'unit_ids') AS units,
    ARRAY(
        SELECT u.volume_ml FROM promises AS p INNER JOIN units AS u USING (unit_id)
        WHERE p.transfer_id = t.transfer_id AND p.status IN ('held', 'issued')
        ORDER BY u.unit_id
    ) AS volumes_live,
    (
        SELECT count(*) FROM promises AS p
        WHERE p.transfer_id = t.transfer_id AND p.status = 'received'
    ) AS arrived
FROM requests AS r
INNER JOIN shortages AS s ON s.station_id = r.station_id AND s.assessed_at >= r.opened_at
INNER JOIN offers AS o ON o.shortage_id = s.shortage_id
INNER JOIN transfers AS t ON t.offer_id = o.offer_id
WHERE
    r.request_id = :request_id::text
    AND (t.agreed_at <= r.decided_at OR r.waiting_for <> '')
    AND EXISTS (
        SELECT 1 FROM request_lines AS l
        WHERE l.request_id = r.request_id AND l.component = s.component
    )
ORDER BY t.agreed_at, t.transfer_id;

-- name: list_place_shortages
-- What is announced of the components of the request, or was until it ended.
SELECT s.shortage_id, s.component, s.blood_group, s.level, s.status, s.opened_at
FROM requests AS r
INNER JOIN shortages AS s USING (station_id)
WHERE
    r.request_id = :request_id::text
    AND (
        (r.waiting_for <> '' AND s.status = 'open')
        OR (r.waiting_for = '' AND s.assessed_at >= r.opened_at AND s.opened_at <= r.decided_at)
    )
    AND EXISTS (
        SELECT 1 FROM request_lines AS l
        WHERE l.request_id = r.request_id AND l.component = s.component
    )
ORDER BY s.opened_at, s.shortage_id;

-- name: list_place_offers
-- How offers for the shortages of the components of the request were answered until it ended.
SELECT
    o.offer_id, o.from_station_id, o.status, o.decided_at, s.component, s.blood_group,
    o.body ->> 'group' AS units_group, coalesce(o.body -> 'reasons', '[]') AS reasons
FROM requests AS r
INNER JOIN shortages AS s USING (station_id)
INNER JOIN offers AS o USING (shortage_id)
WHERE
    r.request_id = :request_id::text
    AND o.decided_at >= r.opened_at
    AND (o.decided_at <= r.decided_at OR r.waiting_for <> '')
    AND EXISTS (
        SELECT 1 FROM request_lines AS l
        WHERE l.request_id = r.request_id AND l.component = s.component
    )
ORDER BY o.decided_at, o.offer_id;

-- name: list_quarantined
-- Records about a request that were not accepted. Anybody can write a subject; the source is what
-- the gateway and the access lists vouch for.
SELECT code, params, quarantined_at, replayed_at, headers
FROM dead_letters
WHERE
    topic = 'blood.requests.v1'
    AND headers @> jsonb_build_array(jsonb_build_array('ce_subject', :request_id::text))
    AND (
        :source::text IS NULL
        OR headers @> jsonb_build_array(jsonb_build_array('ce_source', :source::text))
    )
ORDER BY quarantined_at, dead_letter_id;

-- name: count_stock
SELECT
    component,
    blood_group,
    CASE
        WHEN
            status IN (
                'collected', 'quarantined', 'available', 'on_hold', 'reserved', 'picked', 'returned'
            )
            AND usable_until <= :now::timestamptz
        THEN 'expired'
        ELSE status
    END AS shown_status,
    volume_ml,
    count(*) AS bags,
    min(usable_until) AS first_expires_at
FROM units
WHERE station_id = :station_id::text AND status = ANY(:statuses::text[])
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4;

-- name: list_activations
SELECT a.body, a.opened_at
FROM activations AS a
WHERE
    (:station_id::text IS NULL OR station_id = :station_id::text)
    AND (:status::text IS NULL OR status = :status::text)
    AND (:event_key::text IS NULL OR event_key = :event_key::text)
-- Exercises last, so that they never crowd out the real thing.
ORDER BY
    coalesce((body ->> 'exercise')::boolean, false),
    status,
    coalesce((body ->> 'donors_missing')::int, 0) DESC,
    opened_at DESC,
    activation_id
LIMIT :limit;

-- name: list_alerts
SELECT body, received_at, outcome, reasons
FROM alerts
WHERE
    (:event_key::text IS NULL OR event_key = :event_key::text)
    AND (:outcomes::text[] IS NULL OR outcome = ANY(:outcomes::text[]))
ORDER BY received_at DESC, alert_id
LIMIT :limit;

-- name: find_alert
SELECT body, outcome FROM alerts WHERE alert_id = :alert_id::text;

-- name: find_newest_alert
SELECT body FROM alerts
WHERE event_key = :event_key::text AND outcome <> 'held'
ORDER BY revision DESC, received_at, alert_id
LIMIT 1;

-- name: list_uncovered_lines
SELECT r.station_id, r.body, l.line_no, l.uncovered
FROM requests AS r INNER JOIN request_lines AS l USING (request_id)
WHERE
    r.status = 'open'
    AND l.uncovered > 0
    AND (:station_id::text IS NULL OR r.station_id = :station_id::text)
ORDER BY r.request_id, l.line_no;

-- name: count_open_elsewhere
SELECT station_id, count(*) AS requests
FROM requests
WHERE
    hospital_id = :hospital_id::text
    AND station_id <> :station_id::text
    AND status IN ('open', 'reserved', 'partly_refused')
GROUP BY station_id
ORDER BY station_id;

-- name: list_shortages
SELECT station_id, component, blood_group, level, body, opened_at
FROM shortages
WHERE
    (:station_id::text IS NULL OR station_id = :station_id::text)
    AND (:status::text IS NULL OR status = :status::text)
    AND (:component::text IS NULL OR component = :component::text)
-- For which somebody waits first: of many, these must never be cut off by the limit.
ORDER BY
    coalesce((body ->> 'uncovered_units')::int, 0) = 0,
    array_position(ARRAY['red', 'orange', 'yellow', 'green'], level),
    opened_at,
    shortage_id
LIMIT :limit;

-- name: find_shortage
SELECT shortage_id, station_id, status, units_missing FROM shortages WHERE shortage_id = :shortage_id::text;

-- name: find_offer
SELECT status, body -> 'reasons' AS reasons FROM offers WHERE offer_id = :offer_id::text;

-- name: list_transfers
SELECT
    t.body, t.status, t.updated_at,
    (
        SELECT jsonb_agg(jsonb_build_object(
            'unit_id', p.unit_id, 'component', p.component, 'group', p.blood_group,
            'epoch', p.epoch, 'status', p.status
        ) ORDER BY p.unit_id)
        FROM promises AS p WHERE p.transfer_id = t.transfer_id
    ) AS units
FROM transfers AS t
WHERE
    (
        :station_id::text IS NULL
        OR from_station_id = :station_id::text
        OR to_station_id = :station_id::text
    )
    AND (:status::text IS NULL OR status = :status::text)
ORDER BY agreed_at DESC, transfer_id
LIMIT :limit;

-- name: find_call_out
SELECT c.call_out_id, c.donor_id, c.station_id, c.status, d.blood_group
FROM call_outs AS c INNER JOIN donors AS d USING (donor_id)
WHERE c.call_out_id = :call_out_id::text;

-- name: list_call_outs
SELECT
    c.call_out_id, c.donor_id, c.station_id, c.cause_id, c.wave, c.status, c.called_at,
    c.answered_at, c.ended_at, c.unit_id, u.blood_group AS unit_group, d.blood_group, d.body ->> 'name' AS name,
    d.body ->> 'contact' AS contact, coalesce(d.body ->> 'gives', 'whole_blood') AS gives,
    c.purpose
FROM call_outs AS c
INNER JOIN donors AS d USING (donor_id)
LEFT JOIN units AS u ON u.unit_id = c.unit_id
WHERE
    c.station_id = :station_id::text
    AND (:statuses::text[] IS NULL OR c.status = ANY(:statuses::text[]))
    AND (:cause_id::text IS NULL OR c.cause_id = :cause_id::text)
    AND (:call_out_id::text IS NULL OR c.call_out_id = :call_out_id::text)
ORDER BY c.called_at DESC, c.call_out_id
LIMIT :limit;
