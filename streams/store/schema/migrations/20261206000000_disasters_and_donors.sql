-- migrate:up
-- What became of an alert: one that nobody answers, or that waits for a dispatcher, is found again.
ALTER TABLE alerts ADD COLUMN outcome text NOT NULL DEFAULT 'answered'
CONSTRAINT alerts_outcome_ck CHECK (outcome IN ('answered', 'superseded', 'unanswered', 'held'));
ALTER TABLE alerts ADD COLUMN reasons jsonb NOT NULL DEFAULT '[]';
-- Serves the list of alerts, the newest first.
CREATE INDEX alerts_received_ix ON alerts (received_at DESC);

-- One person may stand in the register under two numbers, here or at another station. A contact is
-- compared without its separators and the prefix of the country.
CREATE FUNCTION contact_key_of(the_body jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(
    regexp_replace(lower(coalesce(the_body ->> 'contact', '')), '[[:space:]()_.-]', '', 'g'),
    '^(tel:)?([+]|00)86', ''
);
CREATE FUNCTION person_key_of(the_body jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(lower(coalesce(the_body ->> 'name', '')), '[[:space:]·]', '', 'g')
|| '|' || coalesce(the_body ->> 'born_on', '');
ALTER TABLE donors ADD COLUMN contact_key text GENERATED ALWAYS AS (contact_key_of(body)) STORED;
ALTER TABLE donors ADD COLUMN person_key text GENERATED ALWAYS AS (person_key_of(body)) STORED;
CREATE INDEX donors_contact_ix ON donors (contact_key);
CREATE INDEX donors_person_ix ON donors (person_key);
-- Serves the look for a bag's donor, and for a donor's bags.
CREATE INDEX call_outs_unit_ix ON call_outs (unit_id) WHERE unit_id IS NOT NULL;

-- What else is known of donors: from other numbers of the same person, at whatever station, and from
-- bags that wait because they bear another group than the record. One row for who has any of it.
CREATE FUNCTION known_otherwise(the_station text) RETURNS TABLE (
    donor_id identifier, other_whole_blood_on date, deferred_as_other_until timestamptz,
    other_on_live_call boolean, group_disputed boolean
) LANGUAGE sql STABLE AS $$
WITH pairs AS (
    SELECT d.donor_id, t.donor_id AS other_id
    FROM donors AS d INNER JOIN donors AS t ON t.person_key = d.person_key
    WHERE d.station_id = the_station AND t.donor_id <> d.donor_id
    UNION
    SELECT d.donor_id, t.donor_id
    FROM donors AS d INNER JOIN donors AS t ON t.contact_key = d.contact_key
    WHERE
        d.station_id = the_station
        AND t.donor_id <> d.donor_id
        AND d.contact_key <> ''
        AND t.body ->> 'born_on' = d.body ->> 'born_on'
),
known AS (
    SELECT
        pairs.donor_id, t.last_whole_blood_on, (t.body ->> 'deferred_until')::timestamptz AS deferred_until,
        EXISTS (
            SELECT 1 FROM call_outs AS c
            WHERE c.donor_id = t.donor_id AND c.status IN ('called', 'accepted', 'arrived')
        ) AS on_live_call,
        false AS disputed
    FROM pairs INNER JOIN donors AS t ON t.donor_id = pairs.other_id
    UNION ALL
    SELECT d.donor_id, NULL, NULL, false, true
    FROM call_outs AS c
    INNER JOIN units AS u ON u.unit_id = c.unit_id
    INNER JOIN donors AS d ON d.donor_id = c.donor_id
    WHERE
        d.station_id = the_station
        AND c.station_id = the_station
        AND u.blood_group <> d.blood_group
        AND u.released_at IS NULL
        AND u.status IN ('collected', 'quarantined', 'split')
)
SELECT
    known.donor_id, max(known.last_whole_blood_on), max(known.deferred_until),
    bool_or(known.on_live_call), bool_or(known.disputed)
FROM known GROUP BY known.donor_id
$$;
CREATE INDEX call_outs_donor_ix ON call_outs (donor_id);

-- An exercise ends by a timer, and a changed register is looked at by one. Kinds are named by the
-- engine alone; one that it does not know stops it by name, so the schema guards their form only.
ALTER TABLE timers DROP CONSTRAINT timers_kind_ck;
ALTER TABLE timers ADD CONSTRAINT timers_kind_ck CHECK (kind ~ '^[a-z]+(_[a-z]+)*$');

-- migrate:down
DELETE FROM timers WHERE kind IN ('exercise_end', 'donors_changed');
DROP INDEX call_outs_donor_ix;
DROP FUNCTION known_otherwise;
DROP INDEX call_outs_unit_ix;
ALTER TABLE donors DROP COLUMN person_key;
ALTER TABLE donors DROP COLUMN contact_key;
DROP FUNCTION person_key_of;
DROP FUNCTION contact_key_of;
DROP INDEX alerts_received_ix;
ALTER TABLE alerts DROP COLUMN reasons;
ALTER TABLE alerts DROP COLUMN outcome;
