-- Which rule of safety a live promise breaks, as the name of a constraint; NULL if none. A patient is
-- judged as the request now says, each class of components by its own group of the patient, an arrival
-- by the newest decision.
CREATE OR REPLACE FUNCTION find_fault_for_patient(the_promise_id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
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
        WHEN u.usable_until <= p.held_at
            OR u.usable_until <= d.decided_at + make_interval(secs => coalesce(d.eta_s, 0))
        THEN 'promises_unit_expiry_ck'
        -- Red cells in glycerol go to no patient as they are; washed red cells serve a line that wants
        -- red cells washed.
        WHEN p.component = 'frozen_red_cells'
            OR (
                l.component <> p.component
                AND NOT (l.component = 'red_cells' AND p.component = 'washed_red_cells')
            )
        THEN 'promises_component_ck'
        WHEN g.component IS NULL
            OR (g.low_titre AND NOT u.low_titre)
            OR r.priority <> ALL (g.priorities)
            OR (g.needs = 'consent' AND NOT r.patient_has_consented)
            OR (g.needs = 'asian_del' AND NOT r.patient_is_asian_del)
            OR (
                -- RhD+ cells for a holder of anti-D; plasma has none.
                r.patient_has_anti_d
                AND p.blood_group LIKE '%+'
                AND g.of_class <> 'plasma'
                AND NOT (p.emergency AND r.patient_antibodies_passed)
            )
            OR (p.emergency AND r.priority <> 'life_threatening')
        THEN 'promises_group_ck'
    END
    INTO fault
    FROM promises AS p
    INNER JOIN units AS u USING (unit_id)
    INNER JOIN requests AS r USING (request_id)
    INNER JOIN request_lines AS l USING (request_id, line_no)
    INNER JOIN decisions AS d ON d.request_id = p.request_id AND d.version = r.version
    LEFT JOIN compatible_groups AS g
        ON g.component = p.component
        AND g.recipient = CASE g.of_class
            WHEN 'plasma' THEN r.patient_plasma_group
            WHEN 'platelets' THEN r.patient_platelet_group
            WHEN 'whole_blood' THEN r.patient_whole_blood_group
            ELSE r.patient_group
        END
        AND g.donor = p.blood_group
        AND g.rule = p.rule
    WHERE p.promise_id = the_promise_id AND p.status IN ('held', 'issued');
    RETURN fault;
END
$$;

-- The groups of a shortage follow those who wait. What was agreed to while they waited leaves all the
-- same: the group of a transfer's units is judged when they are promised, and not again when they go.
CREATE OR REPLACE FUNCTION find_fault_for_station(the_promise_id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
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
        WHEN u.usable_until <= p.held_at
            OR u.usable_until <= t.agreed_at + make_interval(secs => t.eta_s)
        THEN 'promises_unit_expiry_ck'
        WHEN s.component <> p.component THEN 'promises_component_ck'
        WHEN p.status = 'held' AND p.blood_group <> ALL (s.donor_groups) THEN 'promises_group_ck'
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

CREATE OR REPLACE FUNCTION check_promise() RETURNS trigger LANGUAGE plpgsql AS $$
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
