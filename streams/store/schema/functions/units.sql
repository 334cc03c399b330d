CREATE OR REPLACE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: a correction is a row of its own', TG_TABLE_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;

-- Whose donation it is: the stations that told of a unit of it first, and those that hold one now.
CREATE OR REPLACE FUNCTION donation_stations(the_donation text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT s.station_id), '{}')
    FROM units AS u
    CROSS JOIN LATERAL (
        SELECT u.station_id
        UNION
        SELECT a.station_id FROM audit AS a
        WHERE a.subject = u.unit_id AND a.subject_kind = 'unit' AND a.from_state = ''
    ) AS s
    WHERE u.donation_id = the_donation
$$;

-- Who may clear a bag: the stations that had it, or the whole blood that it was made of, by the audit.
-- Another bag of the same donation gives no say over this one.
CREATE OR REPLACE FUNCTION unit_stations(the_unit text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(DISTINCT s.station_id), '{}')
    FROM units AS u
    CROSS JOIN LATERAL (
        SELECT u.station_id
        UNION
        SELECT a.station_id FROM audit AS a
        WHERE a.subject IN (u.unit_id, u.parent_id) AND a.subject_kind = 'unit'
    ) AS s
    WHERE u.unit_id = the_unit
$$;

-- Whether a result is a result of a needed test: a `nat` is one of each virus that its method names, and
-- of all three where it names no virus at all and the rules let such a result count.
CREATE OR REPLACE FUNCTION is_result_of(
    the_test text, the_method text, the_needed text, unnamed_counts boolean
) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN the_test <> 'nat' THEN the_test = the_needed
        WHEN the_needed = 'nat_hbv' AND the_method ~* 'HBV|乙(型)?肝' THEN true
        WHEN the_needed = 'nat_hcv' AND the_method ~* 'HCV|丙(型)?肝' THEN true
        WHEN the_needed = 'nat_hiv' AND the_method ~* 'HIV|艾滋' THEN true
        WHEN the_needed NOT IN ('nat_hbv', 'nat_hcv', 'nat_hiv') THEN false
        ELSE unnamed_counts AND the_method !~* (
            'H[ABCDEG]V|HIV|HTLV|CMV|EBV|B19|WNV|ZIKV|DENV'
            '|[甲乙丙丁戊](型)?肝|艾滋|巨细胞|EB病毒|细小病毒'
        )
    END
$$;

-- Of a station that has no say over the bag, only what speaks against it counts.
CREATE OR REPLACE FUNCTION is_unit_cleared(
    the_unit text, the_donation text, the_label text, the_collection timestamptz
) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(found.valid > 0 AND found.against = 0), false)
    FROM needed_tests AS n
    CROSS JOIN (SELECT unit_stations(the_unit) AS stations) AS say
    CROSS JOIN LATERAL (
        SELECT
            count(*) FILTER (
                WHERE r.outcome IS DISTINCT FROM 'invalid' AND r.performed_at >= the_collection
            ) AS valid,
            count(*) FILTER (WHERE r.outcome = 'reactive' OR r.blood_group <> the_label) AS against
        FROM test_results AS r
        WHERE
            r.donation_id = the_donation
            AND is_result_of(r.test, r.method, n.test, n.unnamed_counts)
            AND (
                r.outcome IS NOT DISTINCT FROM 'reactive'
                OR r.blood_group <> the_label
                OR r.station_id = ANY(say.stations)
            )
            AND NOT EXISTS (SELECT 1 FROM test_results AS c WHERE c.supersedes = r.result_id)
    ) AS found
$$;

-- What a hospital received is issued blood: it comes back to be discarded, never to stock.
CREATE OR REPLACE FUNCTION was_handed_over(the_unit text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM audit AS a
        WHERE a.subject = the_unit AND a.subject_kind = 'unit' AND a.to_state = 'received'
    )
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
    IF was = 'returned' AND NEW.status = 'available' AND was_handed_over(NEW.unit_id) THEN
        RAISE EXCEPTION 'a hospital had received unit %', NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_handed_over_ck', TABLE = 'units';
    END IF;
    IF was = 'quarantined' AND NEW.status = 'available'
        AND NOT is_unit_cleared(NEW.unit_id, NEW.donation_id, NEW.blood_group, NEW.collected_at)
    THEN
        RAISE EXCEPTION 'the results of donation % do not clear unit %', NEW.donation_id, NEW.unit_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'units_cleared_ck', TABLE = 'units';
    END IF;
    RETURN NEW;
END
$$;
