-- migrate:up

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
        WHEN u.expires_at <= p.held_at
            OR u.expires_at <= t.agreed_at + make_interval(secs => (t.body ->> 'eta_s')::int)
        THEN 'promises_unit_expiry_ck'
        WHEN s.component <> p.component THEN 'promises_component_ck'
        WHEN p.status = 'held' AND NOT s.body -> 'donor_groups' ? p.blood_group THEN 'promises_group_ck'
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

-- migrate:down
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
