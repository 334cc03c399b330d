-- name: list_twin_stations
-- Of donors who stand in another station's register too; who counts as the same, `known_otherwise`
-- says.
SELECT t.station_id
FROM donors AS d INNER JOIN donors AS t ON t.person_key = d.person_key
WHERE d.donor_id = ANY(:donor_ids::text[]) AND t.station_id <> d.station_id
UNION
SELECT t.station_id
FROM donors AS d INNER JOIN donors AS t ON t.contact_key = d.contact_key
WHERE
    d.donor_id = ANY(:donor_ids::text[])
    AND t.station_id <> d.station_id
    AND d.contact_key <> ''
    AND t.body ->> 'born_on' = d.body ->> 'born_on';

-- name: list_calls
-- Of the donors what their own record says; what is known of them otherwise, `list_reserve` tells.
SELECT
    c.call_out_id, c.donor_id, c.station_id, c.cause_id, c.wave, c.status, c.called_at,
    d.body, d.last_whole_blood_on, d.called, d.accepted, d.contact_key, d.person_key,
    -- Of a bag that was split, its components tell: one that waits for its results before the
    -- others, one that was lost only if all of them were.
    coalesce(
        (
            SELECT made.status FROM units AS made
            WHERE made.parent_id = u.unit_id
            ORDER BY
                made.status <> 'quarantined',
                made.status IN ('discarded', 'expired', 'recalled'),
                made.unit_id
            LIMIT 1
        ),
        u.status
    ) AS unit_status
FROM call_outs AS c
INNER JOIN donors AS d USING (donor_id)
LEFT JOIN units AS u ON c.unit_id = u.unit_id
WHERE
    c.station_id = :station_id
    AND (
        c.status IN ('called', 'accepted', 'arrived')
        OR c.cause_id = ANY(:cause_ids::text[])
        OR c.called_at >= :since::timestamptz
    )
ORDER BY c.called_at, c.call_out_id;

-- name: find_call^
SELECT
    c.call_out_id, c.donor_id, c.station_id, c.cause_id, c.wave, c.status, c.called_at,
    d.body, d.last_whole_blood_on, d.called, d.accepted, d.contact_key, d.person_key,
    k.other_whole_blood_on, k.deferred_as_other_until,
    coalesce(k.other_on_live_call, false) AS other_on_live_call,
    coalesce(k.group_disputed, false) AS group_disputed,
    -- Of a bag that was split, its components tell: one that waits for its results before the
    -- others, one that was lost only if all of them were.
    coalesce(
        (
            SELECT made.status FROM units AS made
            WHERE made.parent_id = u.unit_id
            ORDER BY
                made.status <> 'quarantined',
                made.status IN ('discarded', 'expired', 'recalled'),
                made.unit_id
            LIMIT 1
        ),
        u.status
    ) AS unit_status
FROM call_outs AS c
INNER JOIN donors AS d USING (donor_id)
LEFT JOIN known_otherwise(c.station_id) AS k USING (donor_id)
LEFT JOIN units AS u ON c.unit_id = u.unit_id
WHERE c.call_out_id = :call_out_id;

-- name: list_reserve
SELECT
    d.body, d.last_whole_blood_on, d.called, d.accepted, d.contact_key, d.person_key,
    k.other_whole_blood_on, k.deferred_as_other_until,
    coalesce(k.other_on_live_call, false) AS other_on_live_call,
    coalesce(k.group_disputed, false) AS group_disputed,
    EXISTS (
        SELECT 1 FROM call_outs AS c
        WHERE c.donor_id = d.donor_id AND c.status IN ('called', 'accepted', 'arrived')
    ) AS on_live_call
FROM donors AS d
LEFT JOIN known_otherwise(:station_id::text) AS k USING (donor_id)
WHERE d.station_id = :station_id
ORDER BY d.donor_id;

-- name: add_calls
WITH added AS (
    INSERT INTO call_outs (
        call_out_id, donor_id, station_id, cause_id, wave, status, called_at, purpose
    )
    SELECT
        x.call_out_id, x.donor_id, x.station_id, x.cause_id, x.wave, 'called', x.called_at,
        :purpose::text
    FROM jsonb_to_recordset(:payload::jsonb) AS x (
        call_out_id text, donor_id text, station_id text, cause_id text, wave int,
        called_at timestamptz
    )
    RETURNING donor_id
)
UPDATE donors SET called = called + 1 WHERE donor_id IN (SELECT donor_id FROM added)
RETURNING donor_id, station_id, old.called AS called_before, called;

-- name: set_calls!
UPDATE call_outs SET
    status = :status,
    answered_at = coalesce(answered_at, :answered_at::timestamptz),
    ended_at = :ended_at,
    unit_id = :unit_id
WHERE call_out_id = ANY(:call_out_ids::text[]);

-- name: list_stopped
SELECT cause_id FROM call_stops WHERE station_id = :station_id AND ended_at IS NULL;

-- name: add_stop!
INSERT INTO call_stops (cause_id, station_id, actor, by, reason, stopped_at, caused_by)
VALUES (:cause_id, :station_id, :actor, :by, :reason, :stopped_at, :caused_by);

-- name: end_stop!
UPDATE call_stops SET ended_at = :now, ended_by = :by, ended_why = :why
WHERE cause_id = :cause_id AND ended_at IS NULL;

-- name: count_acceptance^
UPDATE donors SET accepted = accepted + 1 WHERE donor_id = :donor_id
RETURNING donor_id, station_id, old.accepted AS accepted_before, accepted;

-- name: set_whole_blood_day^
UPDATE donors SET
    last_whole_blood_on = :day::date,
    body = body || jsonb_build_object('last_whole_blood_on', :day::date)
WHERE donor_id = :donor_id AND coalesce(last_whole_blood_on < :day::date, TRUE)
RETURNING donor_id, station_id, old.last_whole_blood_on AS day_before;

-- name: set_platelets_day^
UPDATE donors SET body = body || jsonb_build_object('last_platelets_on', :day::date)
WHERE donor_id = :donor_id AND coalesce((body ->> 'last_platelets_on')::date < :day::date, TRUE)
RETURNING donor_id, station_id, old.body ->> 'last_platelets_on' AS day_before;
