-- migrate:up

-- PostgreSQL repeats what SQL can say of the safety kernel: whatever wrote it, a promise that stands
-- at the end of a transaction names a unit that may go there. Ages, the cap of unconfirmed O RhD- and
-- a hospital's means are judged by the kernel alone.

-- Which groups may go to whom, and under which rule; a test holds it against the rule data. RhD+ for
-- RhD- recipients stands here only under the rule of its exception.
CREATE TABLE compatible_groups (
    component component NOT NULL,
    -- A blood group, or `unknown`.
    recipient text NOT NULL,
    donor blood_group NOT NULL,
    -- Without its version, as the reason of a promise names it.
    rule text NOT NULL,
    -- Only units of low titre.
    low_titre boolean NOT NULL,
    -- Only while life is in danger.
    emergency boolean NOT NULL,
    -- What the request must carry.
    needs text NOT NULL CONSTRAINT compatible_groups_needs_ck CHECK (
        needs IN ('', 'consent', 'asian_del')
    ),
    PRIMARY KEY (component, recipient, donor, rule)
);

INSERT INTO compatible_groups (component, recipient, donor, rule, low_titre, emergency, needs)
SELECT of_class.component, x.recipient, donor, x.rule, x.low_titre, x.emergency, x.needs
FROM (
    VALUES
        ('plasma', 'plasma.abo', 'O-', 'O- O+ A- A+ B- B+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'O+', 'O- O+ A- A+ B- B+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'A-', 'A- A+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'A+', 'A- A+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'B-', 'B- B+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'B+', 'B- B+ AB- AB+', false, false, ''),
        ('plasma', 'plasma.abo', 'AB-', 'AB- AB+', false, false, ''),
        ('plasma', 'plasma.low_titre_a', 'AB-', 'A- A+', true, false, ''),
        ('plasma', 'plasma.abo', 'AB+', 'AB- AB+', false, false, ''),
        ('plasma', 'plasma.low_titre_a', 'AB+', 'A- A+', true, false, ''),
        ('plasma', 'unknown.group', 'unknown', 'AB- AB+', false, false, ''),
        ('plasma', 'plasma.low_titre_a', 'unknown', 'A- A+', true, false, ''),
        ('platelets', 'platelets.abo', 'O-', 'O- O+ A- A+ B- B+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'O+', 'O- O+ A- A+ B- B+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'A-', 'A- A+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'A-', 'O- O+ B- B+', true, false, ''),
        ('platelets', 'platelets.abo', 'A+', 'A- A+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'A+', 'O- O+ B- B+', true, false, ''),
        ('platelets', 'platelets.abo', 'B-', 'B- B+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'B-', 'O- O+ A- A+', true, false, ''),
        ('platelets', 'platelets.abo', 'B+', 'B- B+ AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'B+', 'O- O+ A- A+', true, false, ''),
        ('platelets', 'platelets.abo', 'AB-', 'AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'AB-', 'O- O+ A- A+ B- B+', true, false, ''),
        ('platelets', 'platelets.abo', 'AB+', 'AB- AB+', false, false, ''),
        ('platelets', 'platelets.abo', 'AB+', 'O- O+ A- A+ B- B+', true, false, ''),
        ('platelets', 'unknown.group', 'unknown', 'AB- AB+', false, false, ''),
        ('platelets', 'unknown.group', 'unknown', 'O- O+ A- A+ B- B+', true, false, ''),
        ('red_cells', 'red_cells.abo', 'O-', 'O-', false, false, ''),
        ('red_cells', 'red_cells.abo', 'O+', 'O- O+', false, false, ''),
        ('red_cells', 'red_cells.abo', 'A-', 'O- A-', false, false, ''),
        ('red_cells', 'red_cells.abo', 'A+', 'O- O+ A- A+', false, false, ''),
        ('red_cells', 'red_cells.abo', 'B-', 'O- B-', false, false, ''),
        ('red_cells', 'red_cells.abo', 'B+', 'O- O+ B- B+', false, false, ''),
        ('red_cells', 'red_cells.abo', 'AB-', 'O- A- B- AB-', false, false, ''),
        ('red_cells', 'red_cells.abo', 'AB+', 'O- O+ A- A+ B- B+ AB- AB+', false, false, ''),
        ('red_cells', 'rhd.asian_del', 'A-', 'O+ A+', false, false, 'asian_del'),
        ('red_cells', 'rhd.asian_del', 'B-', 'O+ B+', false, false, 'asian_del'),
        ('red_cells', 'rhd.asian_del', 'AB-', 'O+ A+ B+ AB+', false, false, 'asian_del'),
        ('red_cells', 'rhd.consented_fallback', 'A-', 'O+ A+', false, true, 'consent'),
        ('red_cells', 'rhd.consented_fallback', 'B-', 'O+ B+', false, true, 'consent'),
        ('red_cells', 'rhd.consented_fallback', 'AB-', 'O+ A+ B+ AB+', false, true, 'consent'),
        ('red_cells', 'unknown.group', 'unknown', 'O- O+', false, false, ''),
        ('red_cells', 'rhd.asian_del', 'O-', 'O+', false, false, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'O-', 'O+', false, false, 'asian_del'),
        ('red_cells', 'rhd.consented_fallback', 'O-', 'O+', false, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'O-', 'O+', false, true, 'consent'),
        ('whole_blood', 'rhd.asian_del', 'A-', 'A+', false, false, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'B-', 'B+', false, false, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'AB-', 'AB+', false, false, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'A-', 'O+', true, true, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'B-', 'O+', true, true, 'asian_del'),
        ('whole_blood', 'rhd.asian_del', 'AB-', 'O+', true, true, 'asian_del'),
        ('whole_blood', 'rhd.consented_fallback', 'A-', 'A+', false, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'B-', 'B+', false, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'AB-', 'AB+', false, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'A-', 'O+', true, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'B-', 'O+', true, true, 'consent'),
        ('whole_blood', 'rhd.consented_fallback', 'AB-', 'O+', true, true, 'consent'),
        ('whole_blood', 'unknown.group', 'unknown', 'O- O+', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'O-', 'O-', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'O+', 'O- O+', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'A-', 'A-', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'A-', 'O-', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'A+', 'A- A+', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'A+', 'O- O+', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'B-', 'B-', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'B-', 'O-', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'B+', 'B- B+', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'B+', 'O- O+', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'AB-', 'AB-', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'AB-', 'O-', true, true, ''),
        ('whole_blood', 'whole_blood.abo', 'AB+', 'AB- AB+', false, false, ''),
        ('whole_blood', 'whole_blood.abo', 'AB+', 'O- O+', true, true, '')
) AS x (component_class, rule, recipient, donors, low_titre, emergency, needs)
INNER JOIN (
    VALUES
        ('red_cells', 'red_cells'),
        ('red_cells', 'washed_red_cells'),
        ('red_cells', 'frozen_red_cells'),
        ('plasma', 'fresh_frozen_plasma'),
        ('plasma', 'frozen_plasma'),
        ('plasma', 'cryoprecipitate'),
        ('platelets', 'platelets'),
        ('whole_blood', 'whole_blood')
) AS of_class (component_class, component) USING (component_class)
CROSS JOIN LATERAL string_to_table(x.donors, ' ') AS donor;

-- Which rule of safety a live promise breaks, as the name of a constraint; NULL if none. A patient is
-- judged as the request now says, an arrival by the newest decision.
CREATE FUNCTION find_fault_for_patient(the_promise_id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    fault text;
BEGIN
    SELECT CASE
        WHEN u.status <> ALL (
            CASE p.status
                WHEN 'held' THEN ARRAY['reserved', 'picked']
                ELSE ARRAY['issued', 'in_transit']
            END
        ) THEN 'promises_unit_status_ck'
        WHEN u.station_id <> r.station_id THEN 'promises_unit_station_ck'
        WHEN u.expires_at <= p.held_at
            OR u.expires_at <= d.decided_at + make_interval(secs => coalesce((d.body ->> 'eta_s')::int, 0))
        THEN 'promises_unit_expiry_ck'
        WHEN l.component <> p.component THEN 'promises_component_ck'
        WHEN g.component IS NULL
            OR (g.low_titre AND (u.traits ->> 'low_titre')::boolean IS NOT TRUE)
            OR (g.emergency AND r.priority <> 'life_threatening')
            OR (g.needs = 'consent' AND NOT patient ? 'rhd_consent')
            OR (g.needs = 'asian_del' AND (patient ->> 'asian_del')::boolean IS NOT TRUE)
            OR (
                -- RhD+ cells for a holder of anti-D; plasma has none.
                patient -> 'antibodies' ? 'D'
                AND p.blood_group LIKE '%+'
                AND p.component NOT IN ('fresh_frozen_plasma', 'frozen_plasma', 'cryoprecipitate')
            )
        THEN 'promises_group_ck'
    END
    INTO fault
    FROM promises AS p
    INNER JOIN units AS u USING (unit_id)
    INNER JOIN requests AS r USING (request_id)
    INNER JOIN request_lines AS l USING (request_id, line_no)
    INNER JOIN decisions AS d ON d.request_id = p.request_id AND d.version = r.version
    CROSS JOIN LATERAL (SELECT r.body -> 'patient' AS patient) AS of_request
    LEFT JOIN compatible_groups AS g
        ON g.component = p.component
        AND g.recipient = coalesce(patient ->> 'group', 'unknown')
        AND g.donor = p.blood_group
        AND g.rule = split_part(p.reason ->> 'rule', '@', 1)
    WHERE p.promise_id = the_promise_id AND p.status IN ('held', 'issued');
    RETURN fault;
END
$$;

CREATE FUNCTION find_fault_for_station(the_promise_id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    fault text;
BEGIN
    SELECT CASE
        WHEN u.status <> ALL (
            CASE p.status
                WHEN 'held' THEN ARRAY['reserved', 'picked']
                ELSE ARRAY['issued', 'in_transit']
            END
        ) THEN 'promises_unit_status_ck'
        WHEN u.station_id <> t.from_station_id THEN 'promises_unit_station_ck'
        WHEN u.expires_at <= p.held_at
            OR u.expires_at <= t.agreed_at + make_interval(secs => (t.body ->> 'eta_s')::int)
        THEN 'promises_unit_expiry_ck'
        WHEN s.component <> p.component THEN 'promises_component_ck'
        WHEN NOT s.body -> 'donor_groups' ? p.blood_group THEN 'promises_group_ck'
    END
    INTO fault
    FROM promises AS p
    INNER JOIN units AS u USING (unit_id)
    INNER JOIN transfers AS t USING (transfer_id)
    INNER JOIN offers AS o USING (offer_id)
    INNER JOIN shortages AS s USING (shortage_id)
    WHERE p.promise_id = the_promise_id AND p.status IN ('held', 'issued');
    RETURN fault;
END
$$;

CREATE FUNCTION check_promise() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fault text := CASE
        WHEN NEW.request_id IS NULL THEN find_fault_for_station(NEW.promise_id)
        ELSE find_fault_for_patient(NEW.promise_id)
    END;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'promise % of unit % breaks %', NEW.promise_id, NEW.unit_id, fault
        USING ERRCODE = 'check_violation', CONSTRAINT = fault, TABLE = 'promises';
    END IF;
    RETURN NULL;
END
$$;

-- At the end of the transaction: a writer that lost a race gives up before that, and what was given
-- back again is no promise.
CREATE CONSTRAINT TRIGGER promises_safe
AFTER INSERT OR UPDATE OF status ON promises
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.status IN ('held', 'issued'))
EXECUTE FUNCTION check_promise();

-- migrate:down
DROP TRIGGER promises_safe ON promises;
DROP FUNCTION check_promise;
DROP FUNCTION find_fault_for_station;
DROP FUNCTION find_fault_for_patient;
DROP TABLE compatible_groups;
