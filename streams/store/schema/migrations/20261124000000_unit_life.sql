-- migrate:up

-- The whole life of a unit: `models/unit_life.py` is the definition, and a test holds these rows equal to
-- it. '' as the first state is a unit that becomes known.
CREATE TABLE unit_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL,
    actors text[] NOT NULL,
    needs_release boolean NOT NULL,
    promise text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO unit_transitions (from_state, to_state, cause, actors, needs_release, promise) VALUES
    ('', 'collected', 'donated', '{station}', false, 'none'),
    ('', 'quarantined', 'counted_or_made', '{station}', false, 'none'),
    ('', 'available', 'attested', '{station}', true, 'none'),
    ('collected', 'quarantined', 'quarantined', '{station}', false, 'none'),
    ('collected', 'split', 'split', '{station}', false, 'none'),
    ('quarantined', 'split', 'split', '{station}', false, 'none'),
    ('quarantined', 'available', 'released', '{engine}', true, 'none'),
    ('available', 'reserved', 'promised', '{engine}', true, 'made'),
    ('reserved', 'available', 'given_back', '{engine,timer}', true, 'released'),
    ('reserved', 'picked', 'picked', '{station}', true, 'kept'),
    ('picked', 'available', 'given_back', '{engine}', true, 'released'),
    ('reserved', 'issued', 'issued', '{station}', true, 'issued'),
    ('picked', 'issued', 'issued', '{station}', true, 'issued'),
    ('issued', 'in_transit', 'departed', '{station}', true, 'kept'),
    ('issued', 'received', 'received', '{hospital,station}', true, 'received'),
    ('issued', 'available', 'arrived', '{station}', true, 'received'),
    ('issued', 'returned', 'returned', '{hospital,station}', true, 'lost'),
    ('in_transit', 'received', 'received', '{hospital,station}', true, 'received'),
    ('in_transit', 'available', 'arrived', '{station}', true, 'received'),
    ('in_transit', 'returned', 'returned', '{hospital,station}', true, 'lost'),
    ('received', 'transfused', 'transfused', '{hospital,station}', true, 'none'),
    ('received', 'returned', 'returned', '{hospital,station}', true, 'none'),
    ('returned', 'available', 'restocked', '{station}', true, 'none'),
    ('collected', 'discarded', 'discarded', '{engine,station}', false, 'none'),
    ('quarantined', 'discarded', 'discarded', '{engine,station}', false, 'none'),
    ('available', 'discarded', 'discarded', '{station}', false, 'none'),
    ('reserved', 'discarded', 'discarded', '{station}', false, 'lost'),
    ('picked', 'discarded', 'discarded', '{station}', false, 'lost'),
    ('returned', 'discarded', 'discarded', '{station}', false, 'none'),
    ('issued', 'discarded', 'discarded', '{hospital,station}', false, 'lost'),
    ('in_transit', 'discarded', 'discarded', '{hospital,station}', false, 'lost'),
    ('received', 'discarded', 'discarded', '{hospital,station}', false, 'none'),
    ('recalled', 'discarded', 'discarded', '{station}', false, 'none'),
    ('collected', 'expired', 'expired', '{timer}', false, 'none'),
    ('quarantined', 'expired', 'expired', '{timer}', false, 'none'),
    ('available', 'expired', 'expired', '{timer}', false, 'none'),
    ('reserved', 'expired', 'expired', '{timer}', false, 'lost'),
    ('picked', 'expired', 'expired', '{timer}', false, 'lost'),
    ('returned', 'expired', 'expired', '{timer}', false, 'none'),
    ('collected', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none'),
    ('quarantined', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none'),
    ('available', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none'),
    ('reserved', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'lost'),
    ('picked', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'lost'),
    ('returned', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none'),
    ('issued', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'lost'),
    ('in_transit', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'lost'),
    ('received', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none'),
    ('expired', 'recalled', 'recalled', '{dispatcher,engine,station}', false, 'none');

-- What must be clear before a unit leaves quarantine for the stock; compared with `rules/testing.toml`.
CREATE TABLE needed_tests (test text PRIMARY KEY);
INSERT INTO needed_tests (test) VALUES ('hbsag'), ('anti_hcv'), ('anti_hiv'), ('syphilis'), ('alt'), ('nat'), ('grouping');

-- Attested: the station released it before we knew of it, and who says so. Out of control: seconds out of
-- temperature control since the unit first left, all together.
ALTER TABLE units
ADD COLUMN parent_id identifier CONSTRAINT units_parent_fk REFERENCES units,
ADD COLUMN attested_by text,
ADD COLUMN out_of_control_s integer NOT NULL DEFAULT 0
CONSTRAINT units_out_of_control_ck CHECK (out_of_control_s >= 0),
DROP CONSTRAINT units_status_ck,
DROP CONSTRAINT units_released_ck,
ADD CONSTRAINT units_status_ck CHECK (status IN (
    'collected', 'quarantined', 'split', 'available', 'reserved', 'picked', 'issued', 'in_transit',
    'received', 'transfused', 'returned', 'discarded', 'expired', 'recalled'
)),
ADD CONSTRAINT units_released_ck CHECK (
    released_at IS NOT NULL
    OR status IN ('collected', 'quarantined', 'split', 'discarded', 'expired', 'recalled')
);
-- Serves splitting: the components of a bag.
CREATE INDEX units_parent_ix ON units (parent_id) WHERE parent_id IS NOT NULL;
DROP INDEX units_expiry_ix;
-- Serves the expiry timer.
CREATE INDEX units_expiry_ix ON units (expires_at)
WHERE status IN ('collected', 'quarantined', 'available', 'reserved', 'picked', 'returned');

-- Results of the laboratory, as they came. A correction is a row of its own that names what it corrects.
CREATE TABLE test_results (
    result_id identifier PRIMARY KEY,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL CONSTRAINT test_results_station_fk REFERENCES stations,
    test text NOT NULL CONSTRAINT test_results_test_fk REFERENCES needed_tests,
    outcome text CONSTRAINT test_results_outcome_ck CHECK (
        outcome IN ('nonreactive', 'reactive', 'invalid')
    ),
    blood_group blood_group,
    method text NOT NULL,
    run_id identifier NOT NULL,
    performed_at timestamptz NOT NULL,
    performed_by text NOT NULL,
    supersedes identifier CONSTRAINT test_results_supersedes_fk REFERENCES test_results,
    note text NOT NULL,
    caused_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT test_results_found_ck CHECK ((outcome IS NULL) <> (blood_group IS NULL)),
    CONSTRAINT test_results_grouping_ck CHECK (
        (test = 'grouping' AND (outcome IS NULL OR outcome = 'invalid'))
        OR (test <> 'grouping' AND outcome IS NOT NULL)
    )
);
CREATE INDEX test_results_donation_ix ON test_results (donation_id);
-- A result is corrected once; the next correction corrects the correction.
CREATE UNIQUE INDEX test_results_supersedes_uq ON test_results (supersedes) WHERE supersedes IS NOT NULL;

-- Every scan that was accepted: who did what to which unit, when, under which promise.
CREATE TABLE unit_scans (
    scan_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id identifier NOT NULL CONSTRAINT unit_scans_unit_fk REFERENCES units,
    change text NOT NULL,
    actor text NOT NULL,
    facility_id identifier NOT NULL,
    done_by text NOT NULL,
    epoch integer,
    out_of_control_s integer,
    happened_at timestamptz NOT NULL,
    caused_by text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX unit_scans_unit_ix ON unit_scans (unit_id);

CREATE TABLE recalls (
    recall_id identifier PRIMARY KEY,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL CONSTRAINT recalls_station_fk REFERENCES stations,
    reason text NOT NULL,
    recalled_by text NOT NULL,
    caused_by text NOT NULL,
    -- As its caller tells it; what was promised until it was taken in was promised in good faith.
    recalled_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX recalls_donation_ix ON recalls (donation_id);

-- Where a recall found each unit, who was told, and whether it could still be frozen.
CREATE TABLE recalled_units (
    recall_id identifier NOT NULL CONSTRAINT recalled_units_recall_fk REFERENCES recalls,
    unit_id identifier NOT NULL CONSTRAINT recalled_units_unit_fk REFERENCES units,
    was text NOT NULL,
    holder_kind text NOT NULL CONSTRAINT recalled_units_holder_ck CHECK (
        holder_kind IN ('station', 'hospital')
    ),
    holder_id identifier NOT NULL,
    request_id identifier,
    is_frozen boolean NOT NULL,
    PRIMARY KEY (recall_id, unit_id)
);

CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: a correction is a row of its own', TG_TABLE_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END
$$;
CREATE TRIGGER test_results_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON test_results
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER unit_scans_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON unit_scans
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER recalls_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON recalls
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER recalled_units_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON recalled_units
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

-- Whether the results that count of a donation clear one bag with this label: of every needed test at least
-- one valid result, none of them reactive, and no other group than the label's. The same rule as
-- `streams/matching/release.py`, said once more where nobody can go around it.
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

-- The guard that no code of ours can go around.
CREATE FUNCTION check_unit_life() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER units_life_insert BEFORE INSERT ON units
FOR EACH ROW EXECUTE FUNCTION check_unit_life();
CREATE TRIGGER units_life_update BEFORE UPDATE OF status ON units
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_unit_life();

-- migrate:down
DROP TRIGGER units_life_update ON units;
DROP TRIGGER units_life_insert ON units;
DROP FUNCTION check_unit_life;
DROP FUNCTION is_cleared;
DROP TABLE recalled_units, recalls, unit_scans, test_results;
DROP FUNCTION refuse_rewriting;
DROP INDEX units_expiry_ix;
CREATE INDEX units_expiry_ix ON units (expires_at) WHERE status IN ('available', 'quarantined', 'reserved');
-- Fails, as it must, while a unit is in a state that the old schema does not know.
ALTER TABLE units
DROP CONSTRAINT units_status_ck,
DROP CONSTRAINT units_released_ck,
DROP COLUMN out_of_control_s,
DROP COLUMN attested_by,
DROP COLUMN parent_id,
ADD CONSTRAINT units_status_ck CHECK (status IN (
    'quarantined', 'available', 'reserved', 'issued', 'received', 'discarded', 'expired'
)),
ADD CONSTRAINT units_released_ck CHECK (
    released_at IS NOT NULL OR status IN ('quarantined', 'discarded', 'expired')
);
DROP TABLE needed_tests, unit_transitions;
