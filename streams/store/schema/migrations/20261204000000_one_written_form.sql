-- migrate:up

-- A result from before the collection is of another sample: it clears nothing. As `decide_release`.
CREATE FUNCTION is_cleared(the_donation text, the_label text, the_collection timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(found.valid > 0 AND found.against = 0), false)
    FROM needed_tests AS n
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE r.outcome IS DISTINCT FROM 'invalid' AND r.performed_at >= the_collection
            ) AS valid,
            count(*) FILTER (WHERE r.outcome = 'reactive' OR r.blood_group <> the_label) AS against
        FROM test_results AS r
        WHERE
            r.donation_id = the_donation AND r.test = n.test
            AND NOT EXISTS (SELECT 1 FROM test_results AS c WHERE c.supersedes = r.result_id)
    ) AS found
$$;

CREATE OR REPLACE FUNCTION check_unit_life() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := CASE WHEN TG_OP = 'INSERT' THEN '' ELSE OLD.status END;
    needs boolean;
BEGIN
    SELECT t.needs_release INTO needs FROM unit_transitions AS t
    WHERE t.from_state = was AND t.to_state = NEW.status;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unit % cannot become % from %', NEW.unit_id, NEW.status, was
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_life_ck', TABLE = 'units';
    END IF;
    IF needs AND NEW.released_at IS NULL THEN
        RAISE EXCEPTION 'unit % is not released and cannot become %', NEW.unit_id, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_released_ck', TABLE = 'units';
    END IF;
    IF was = '' AND needs AND NEW.attested_by IS NULL THEN
        RAISE EXCEPTION 'nobody attests that unit % was released', NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_attested_ck', TABLE = 'units';
    END IF;
    IF was = 'quarantined' AND NEW.status = 'available'
        AND NOT is_cleared(NEW.donation_id, NEW.blood_group, NEW.collected_at)
    THEN
        RAISE EXCEPTION 'the results of donation % do not clear unit %', NEW.donation_id, NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_cleared_ck', TABLE = 'units';
    END IF;
    RETURN NEW;
END
$$;
DROP FUNCTION is_cleared(text, text);

-- The one written form of a bag's or a donation's identifier: as `models.base.BagId`.
CREATE FUNCTION to_one_form(the_id text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN the_id ~ '^[0-9]+\.0*$' THEN split_part(the_id, '.', 1)
        ELSE upper(the_id)
    END
$$;

-- Identifiers that were taken in before there was one form are written anew, wherever they stand but in
-- the audit, which only grows: there a row of its own tells the old form. Of two spellings of one bag the
-- second keeps a mark behind its identifier, and is discarded if it lies free: it was never another bag.
DO $$
DECLARE
    fk record;
    guarded constant text[] := ARRAY[
        'units', 'promises', 'call_outs', 'unit_scans', 'recalled_units', 'reconciliation_differences',
        'test_results', 'recalls'
    ];
    one text;
BEGIN
    CREATE TEMP TABLE respelled ON COMMIT DROP AS
    SELECT s.was, s.becomes, s.is_second, s.station_id, s.status
    FROM (
        SELECT
            r.unit_id::text AS was, r.station_id::text AS station_id, r.status, r.nth > 1 AS is_second,
            CASE
                WHEN r.nth = 1 THEN to_one_form(r.unit_id)
                ELSE left(to_one_form(r.unit_id), 60) || ':' || r.nth
            END AS becomes
        FROM (
            SELECT
                u.*,
                row_number() OVER (
                    PARTITION BY to_one_form(u.unit_id)
                    ORDER BY u.unit_id = to_one_form(u.unit_id) DESC, u.unit_id
                ) AS nth
            FROM units AS u
        ) AS r
    ) AS s
    WHERE s.was <> s.becomes;
    FOR fk IN
        SELECT c.conname, c.conrelid::regclass AS relation FROM pg_constraint AS c
        WHERE c.contype = 'f' AND c.confrelid = 'units'::regclass AND NOT c.condeferrable
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY DEFERRED', fk.relation, fk.conname
        );
    END LOOP;
    FOREACH one IN ARRAY guarded LOOP
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', one);
    END LOOP;

    UPDATE units AS x SET unit_id = r.becomes FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE units AS x SET parent_id = r.becomes FROM respelled AS r WHERE x.parent_id = r.was;
    UPDATE promises AS x SET unit_id = r.becomes FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE call_outs AS x SET unit_id = r.becomes FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE unit_scans AS x SET unit_id = r.becomes FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE recalled_units AS x SET unit_id = r.becomes FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE reconciliation_differences AS x SET unit_id = r.becomes
    FROM respelled AS r WHERE x.unit_id = r.was;
    UPDATE reconciliation_parts AS p SET unit_ids = ARRAY(
        SELECT coalesce(r.becomes, n.unit_id)
        FROM unnest(p.unit_ids) WITH ORDINALITY AS n (unit_id, ord)
        LEFT JOIN respelled AS r ON r.was = n.unit_id
        ORDER BY n.ord
    ) WHERE p.unit_ids <> '{}';
    UPDATE transfers AS t SET body = jsonb_set(t.body, '{unit_ids}', (
        SELECT coalesce(jsonb_agg(coalesce(r.becomes, n.unit_id) ORDER BY n.ord), '[]')
        FROM jsonb_array_elements_text(t.body -> 'unit_ids') WITH ORDINALITY AS n (unit_id, ord)
        LEFT JOIN respelled AS r ON r.was = n.unit_id
    )) WHERE t.body ? 'unit_ids';
    UPDATE units SET donation_id = to_one_form(donation_id) WHERE donation_id <> to_one_form(donation_id);
    UPDATE test_results SET donation_id = to_one_form(donation_id)
    WHERE donation_id <> to_one_form(donation_id);
    UPDATE recalls SET donation_id = to_one_form(donation_id)
    WHERE donation_id <> to_one_form(donation_id);

    UPDATE units AS u SET status = 'discarded'
    FROM respelled AS r
    WHERE r.is_second AND u.unit_id = r.becomes AND u.status IN ('collected', 'quarantined', 'available');
    IF EXISTS (SELECT 1 FROM respelled) THEN
        PERFORM append_audit((
            SELECT jsonb_agg(jsonb_build_object(
                'subject_kind', 'unit_spelling', 'subject', r.becomes, 'station_id', r.station_id,
                'from_state', r.was, 'to_state', r.becomes, 'why', 'one_written_form',
                'actor', 'system', 'caused_by', 'migration 20261204000000', 'at', now()
            ) ORDER BY r.was) FROM respelled AS r
        ));
        PERFORM append_audit(coalesce((
            SELECT jsonb_agg(jsonb_build_object(
                'subject_kind', 'unit', 'subject', r.becomes, 'station_id', r.station_id,
                'from_state', r.status, 'to_state', 'discarded', 'why', 'second_spelling',
                'actor', 'system', 'caused_by', 'migration 20261204000000', 'at', now()
            ) ORDER BY r.was) FROM respelled AS r
            WHERE r.is_second AND r.status IN ('collected', 'quarantined', 'available')
        ), '[]'));
    END IF;

    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH one IN ARRAY guarded LOOP
        EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', one);
    END LOOP;
    FOR fk IN
        SELECT c.conname, c.conrelid::regclass AS relation FROM pg_constraint AS c
        WHERE c.contype = 'f' AND c.confrelid = 'units'::regclass AND c.condeferrable
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I NOT DEFERRABLE', fk.relation, fk.conname);
    END LOOP;
END
$$;

-- No bag has two identifiers that differ in case alone, whoever writes them.
CREATE UNIQUE INDEX units_spelling_uq ON units (upper(unit_id));
-- Serve list_spellings: the same digits with other zeros before them.
CREATE INDEX units_digits_ix ON units (ltrim(unit_id, '0')) WHERE unit_id ~ '^[0-9]+$';
CREATE INDEX units_donation_digits_ix ON units (ltrim(donation_id, '0')) WHERE donation_id ~ '^[0-9]+$';

-- migrate:down
-- The identifiers keep their one form: what they were before stands in the audit alone.
DROP INDEX units_donation_digits_ix;
DROP INDEX units_digits_ix;
DROP INDEX units_spelling_uq;
DROP FUNCTION to_one_form;
CREATE FUNCTION is_cleared(the_donation text, the_label text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(found.valid > 0 AND found.against = 0), false)
    FROM needed_tests AS n
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (WHERE r.outcome IS DISTINCT FROM 'invalid') AS valid,
            count(*) FILTER (WHERE r.outcome = 'reactive' OR r.blood_group <> the_label) AS against
        FROM test_results AS r
        WHERE
            r.donation_id = the_donation AND r.test = n.test
            AND NOT EXISTS (SELECT 1 FROM test_results AS c WHERE c.supersedes = r.result_id)
    ) AS found
$$;
CREATE OR REPLACE FUNCTION check_unit_life() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := CASE WHEN TG_OP = 'INSERT' THEN '' ELSE OLD.status END;
    needs boolean;
BEGIN
    SELECT t.needs_release INTO needs FROM unit_transitions AS t
    WHERE t.from_state = was AND t.to_state = NEW.status;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'unit % cannot become % from %', NEW.unit_id, NEW.status, was
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_life_ck', TABLE = 'units';
    END IF;
    IF needs AND NEW.released_at IS NULL THEN
        RAISE EXCEPTION 'unit % is not released and cannot become %', NEW.unit_id, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_released_ck', TABLE = 'units';
    END IF;
    IF was = '' AND needs AND NEW.attested_by IS NULL THEN
        RAISE EXCEPTION 'nobody attests that unit % was released', NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_attested_ck', TABLE = 'units';
    END IF;
    IF was = 'quarantined' AND NEW.status = 'available'
        AND NOT is_cleared(NEW.donation_id, NEW.blood_group)
    THEN
        RAISE EXCEPTION 'the results of donation % do not clear unit %', NEW.donation_id, NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_cleared_ck', TABLE = 'units';
    END IF;
    RETURN NEW;
END
$$;
DROP FUNCTION is_cleared(text, text, timestamptz);
