-- migrate:up

-- Everything up to here, in one step. A database of an older version is brought to
-- 20261215000000 by the program that was current then; from there it goes on with this one.
DO $$
BEGIN
    IF to_regclass('outbox') IS NOT NULL THEN
        RAISE EXCEPTION '数据库早于结构版本 20261215000000，先用当时的程序升级到该版本，再迁移 · %',
            'the database is older than version 20261215000000 of the schema: bring it there '
            'with the program of that version, then migrate again';
    END IF;
END
$$;

CREATE DOMAIN blood_group AS text
    CONSTRAINT blood_group_check CHECK ((VALUE = ANY (ARRAY['O-'::text, 'O+'::text, 'A-'::text, 'A+'::text, 'B-'::text, 'B+'::text, 'AB-'::text, 'AB+'::text])));

CREATE DOMAIN component AS text
    CONSTRAINT component_check CHECK ((VALUE = ANY (ARRAY['red_cells'::text, 'washed_red_cells'::text, 'frozen_red_cells'::text, 'platelets'::text, 'fresh_frozen_plasma'::text, 'frozen_plasma'::text, 'cryoprecipitate'::text, 'whole_blood'::text])));

CREATE DOMAIN identifier AS text
    CONSTRAINT identifier_check CHECK ((VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'::text));

CREATE TYPE judged_unit AS (
    unit_id text,
    donation_id text,
    component text,
    blood_group text,
    volume_ml integer,
    collected_at timestamp with time zone,
    expires_at timestamp with time zone,
    traits jsonb,
    released boolean,
    counted_as text,
    outcome text,
    status text,
    fields text[],
    recorded jsonb
);

CREATE TABLE outbox (
    row_id bigint NOT NULL,
    tx xid8 DEFAULT pg_current_xact_id() NOT NULL,
    shard smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint,
    event_id text NOT NULL,
    event_type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    caused_by text,
    traceparent text,
    station_id text,
    hospital_id text,
    body bytea NOT NULL,
    made_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone
);

CREATE FUNCTION contact_key_of(the_body jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN regexp_replace(regexp_replace(lower(COALESCE((the_body ->> 'contact'::text), ''::text)), '[[:space:]()_.-]'::text, ''::text, 'g'::text), '^(tel:)?([+]|00)86'::text, ''::text);

CREATE TABLE units (
    unit_id identifier NOT NULL,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    volume_ml integer NOT NULL,
    collected_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    traits jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text NOT NULL,
    source text NOT NULL,
    epoch integer DEFAULT 0 NOT NULL,
    released_at timestamp with time zone,
    parent_id identifier,
    attested_by text,
    out_of_control_s integer DEFAULT 0 NOT NULL,
    low_titre boolean DEFAULT false NOT NULL,
    CONSTRAINT units_expiry_ck CHECK ((expires_at > collected_at)),
    CONSTRAINT units_out_of_control_ck CHECK ((out_of_control_s >= 0)),
    CONSTRAINT units_released_ck CHECK (((released_at IS NOT NULL) OR (status = ANY (ARRAY['collected'::text, 'quarantined'::text, 'split'::text, 'discarded'::text, 'expired'::text, 'recalled'::text])))),
    CONSTRAINT units_source_ck CHECK ((source = ANY (ARRAY['stock'::text, 'donor'::text, 'neighbour'::text]))),
    CONSTRAINT units_status_ck CHECK ((status = ANY (ARRAY['collected'::text, 'quarantined'::text, 'split'::text, 'available'::text, 'reserved'::text, 'picked'::text, 'issued'::text, 'in_transit'::text, 'received'::text, 'transfused'::text, 'returned'::text, 'discarded'::text, 'expired'::text, 'recalled'::text]))),
    CONSTRAINT units_volume_ck CHECK (((volume_ml >= 1) AND (volume_ml <= 1000)))
)
WITH (fillfactor='80');

CREATE TABLE audit (
    audit_id bigint NOT NULL,
    subject_kind text NOT NULL,
    subject text NOT NULL,
    station_id text,
    from_state text NOT NULL,
    to_state text NOT NULL,
    why text NOT NULL,
    caused_by text NOT NULL,
    at timestamp with time zone NOT NULL,
    chain text NOT NULL,
    sequence bigint NOT NULL,
    actor text NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_chain_ck CHECK ((chain = COALESCE(station_id, '_system'::text)))
);

CREATE FUNCTION person_key_of(the_body jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((regexp_replace(lower(COALESCE((the_body ->> 'name'::text), ''::text)), '[[:space:]·]'::text, ''::text, 'g'::text) || '|'::text) || COALESCE((the_body ->> 'born_on'::text), ''::text));

CREATE TABLE activations (
    activation_id identifier NOT NULL,
    event_key identifier NOT NULL,
    station_id identifier NOT NULL,
    status text NOT NULL,
    revision integer NOT NULL,
    donors_wanted integer NOT NULL,
    body jsonb NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT activations_donors_ck CHECK ((donors_wanted >= 0)),
    CONSTRAINT activations_status_ck CHECK ((status = ANY (ARRAY['open'::text, 'stood_down'::text])))
);

CREATE TABLE alerts (
    alert_id identifier NOT NULL,
    event_key identifier NOT NULL,
    revision integer NOT NULL,
    body jsonb NOT NULL,
    received_at timestamp with time zone NOT NULL,
    outcome text DEFAULT 'answered'::text NOT NULL,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    told_by text DEFAULT ''::text NOT NULL,
    CONSTRAINT alerts_outcome_ck CHECK ((outcome = ANY (ARRAY['answered'::text, 'superseded'::text, 'unanswered'::text, 'held'::text])))
);

CREATE TABLE api_keys (
    key_id identifier NOT NULL,
    secret_hash text NOT NULL,
    scope text NOT NULL,
    facility_id identifier,
    label text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_facility_ck CHECK (((scope = ANY (ARRAY['hospital'::text, 'station'::text, 'neighbour'::text])) = (facility_id IS NOT NULL))),
    CONSTRAINT api_keys_hash_ck CHECK (((revoked_at IS NOT NULL) OR (secret_hash ~ '^sha256\$[0-9a-f]{64}$'::text))),
    CONSTRAINT api_keys_scope_ck CHECK ((scope = ANY (ARRAY['hospital'::text, 'station'::text, 'dispatcher'::text, 'neighbour'::text, 'disaster'::text])))
);

ALTER TABLE audit ALTER COLUMN audit_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME audit_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit_heads (
    chain text NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE audit_seals (
    chain text NOT NULL,
    sequence bigint NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL
);

CREATE TABLE call_outs (
    call_out_id identifier NOT NULL,
    donor_id identifier NOT NULL,
    station_id identifier NOT NULL,
    cause_id identifier NOT NULL,
    wave integer NOT NULL,
    status text NOT NULL,
    called_at timestamp with time zone NOT NULL,
    answered_at timestamp with time zone,
    ended_at timestamp with time zone,
    unit_id identifier,
    CONSTRAINT call_outs_status_ck CHECK ((status = ANY (ARRAY['called'::text, 'accepted'::text, 'arrived'::text, 'declined'::text, 'no_answer'::text, 'no_show'::text, 'donated'::text, 'deferred'::text, 'stood_down'::text]))),
    CONSTRAINT call_outs_wave_ck CHECK ((wave >= 1))
);

CREATE TABLE compatible_groups (
    component component NOT NULL,
    recipient text NOT NULL,
    donor blood_group NOT NULL,
    rule text NOT NULL,
    low_titre boolean NOT NULL,
    emergency boolean NOT NULL,
    needs text NOT NULL,
    CONSTRAINT compatible_groups_needs_ck CHECK ((needs = ANY (ARRAY[''::text, 'consent'::text, 'asian_del'::text])))
);

CREATE TABLE dead_letters (
    dead_letter_id identifier NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    reader text NOT NULL,
    key bytea,
    body bytea,
    headers jsonb NOT NULL,
    code text NOT NULL,
    params jsonb NOT NULL,
    quarantined_at timestamp with time zone NOT NULL,
    replayed_at timestamp with time zone,
    is_life_threatening boolean DEFAULT false NOT NULL
);

CREATE TABLE decisions (
    decision_id identifier NOT NULL,
    request_id identifier NOT NULL,
    version integer NOT NULL,
    outcome text NOT NULL,
    body jsonb NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    eta_s integer
);

CREATE TABLE directory_version (
    only_row boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT directory_version_row_ck CHECK (only_row)
);

CREATE TABLE donors (
    donor_id identifier NOT NULL,
    station_id identifier NOT NULL,
    blood_group blood_group NOT NULL,
    body jsonb NOT NULL,
    last_whole_blood_on date,
    called integer DEFAULT 0 NOT NULL,
    accepted integer DEFAULT 0 NOT NULL,
    contact_key text GENERATED ALWAYS AS (contact_key_of(body)) STORED,
    person_key text GENERATED ALWAYS AS (person_key_of(body)) STORED,
    CONSTRAINT donors_counts_ck CHECK (((accepted >= 0) AND (accepted <= called)))
);

CREATE TABLE feed_floor (
    one boolean DEFAULT true NOT NULL,
    tx xid8 NOT NULL,
    row_id bigint NOT NULL,
    CONSTRAINT feed_floor_one_ck CHECK (one)
);

CREATE TABLE hospitals (
    hospital_id identifier NOT NULL,
    station_id identifier NOT NULL,
    body jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    changed_by text DEFAULT ''::text NOT NULL
);

CREATE TABLE inbox (
    source text NOT NULL,
    event_id text NOT NULL,
    reader text NOT NULL,
    digest text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    taken_at timestamp with time zone NOT NULL
);

CREATE TABLE needed_tests (
    test text NOT NULL
);

CREATE TABLE offers (
    offer_id identifier NOT NULL,
    shortage_id identifier NOT NULL,
    from_station_id identifier NOT NULL,
    to_station_id identifier NOT NULL,
    status text NOT NULL,
    body jsonb NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT offers_other_ck CHECK (((from_station_id)::text <> (to_station_id)::text)),
    CONSTRAINT offers_status_ck CHECK ((status = ANY (ARRAY['accepted'::text, 'declined'::text])))
);

CREATE TABLE outbox_keys (
    key text NOT NULL,
    sequence bigint NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE outbox ALTER COLUMN row_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox_row_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE promises (
    promise_id identifier NOT NULL,
    unit_id identifier NOT NULL,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    epoch integer NOT NULL,
    request_id identifier,
    line_no integer,
    transfer_id identifier,
    status text NOT NULL,
    capped boolean DEFAULT false NOT NULL,
    reason jsonb NOT NULL,
    held_at timestamp with time zone NOT NULL,
    hold_until timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    rule text NOT NULL,
    CONSTRAINT promises_cause_ck CHECK (((request_id IS NULL) <> (transfer_id IS NULL))),
    CONSTRAINT promises_epoch_ck CHECK ((epoch >= 1)),
    CONSTRAINT promises_status_ck CHECK ((status = ANY (ARRAY['held'::text, 'issued'::text, 'received'::text, 'released'::text, 'lost'::text])))
)
WITH (fillfactor='80');

CREATE TABLE recalled_units (
    recall_id identifier NOT NULL,
    unit_id identifier NOT NULL,
    was text NOT NULL,
    holder_kind text NOT NULL,
    holder_id identifier NOT NULL,
    request_id identifier,
    is_frozen boolean NOT NULL,
    CONSTRAINT recalled_units_holder_ck CHECK ((holder_kind = ANY (ARRAY['station'::text, 'hospital'::text])))
);

CREATE TABLE recalls (
    recall_id identifier NOT NULL,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL,
    reason text NOT NULL,
    recalled_by text NOT NULL,
    caused_by text NOT NULL,
    recalled_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);

CREATE TABLE reconciliation_differences (
    count_id identifier NOT NULL,
    unit_id identifier NOT NULL,
    station_id identifier NOT NULL,
    kind text NOT NULL,
    fields text[] DEFAULT '{}'::text[] NOT NULL,
    counted jsonb NOT NULL,
    recorded jsonb NOT NULL,
    found_at timestamp with time zone NOT NULL,
    resolution text,
    reason text,
    closed_by text,
    closed_at timestamp with time zone,
    CONSTRAINT reconciliation_differences_closed_ck CHECK (((closed_at IS NULL) = (resolution IS NULL))),
    CONSTRAINT reconciliation_differences_kind_ck CHECK ((kind = ANY (ARRAY['missing'::text, 'moved'::text, 'differs'::text, 'status'::text]))),
    CONSTRAINT reconciliation_differences_resolution_ck CHECK ((resolution = ANY (ARRAY['discarded'::text, 'issued'::text, 'issued_outside'::text, 'moved_here'::text, 'record_stands'::text, 'later_count'::text])))
);

CREATE TABLE reconciliation_parts (
    count_id identifier NOT NULL,
    part_no integer NOT NULL,
    unit_ids text[] NOT NULL,
    outcomes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT reconciliation_parts_no_ck CHECK ((part_no >= 1))
);

CREATE TABLE reconciliations (
    count_id identifier NOT NULL,
    station_id identifier NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    is_full boolean NOT NULL,
    parts integer NOT NULL,
    units integer NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    taken_at timestamp with time zone,
    CONSTRAINT reconciliations_parts_ck CHECK ((parts >= 1)),
    CONSTRAINT reconciliations_units_ck CHECK ((units >= 1))
);

CREATE TABLE request_lines (
    request_id identifier NOT NULL,
    line_no integer NOT NULL,
    component component NOT NULL,
    quantity integer NOT NULL,
    uncovered integer NOT NULL,
    CONSTRAINT request_lines_quantity_ck CHECK ((quantity > 0)),
    CONSTRAINT request_lines_uncovered_ck CHECK ((uncovered >= 0))
);

CREATE TABLE requests (
    request_id identifier NOT NULL,
    hospital_id identifier NOT NULL,
    station_id identifier NOT NULL,
    priority text NOT NULL,
    needed_by timestamp with time zone NOT NULL,
    status text NOT NULL,
    waiting_for text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    patient_group text NOT NULL,
    patient_has_anti_d boolean NOT NULL,
    patient_is_asian_del boolean NOT NULL,
    patient_has_consented boolean NOT NULL,
    CONSTRAINT requests_patient_group_ck CHECK ((patient_group = ANY (ARRAY['unknown'::text, 'O-'::text, 'O+'::text, 'A-'::text, 'A+'::text, 'B-'::text, 'B+'::text, 'AB-'::text, 'AB+'::text]))),
    CONSTRAINT requests_priority_ck CHECK ((priority = ANY (ARRAY['life_threatening'::text, 'urgent'::text, 'routine'::text]))),
    CONSTRAINT requests_status_ck CHECK ((status = ANY (ARRAY['open'::text, 'reserved'::text, 'partly_refused'::text, 'refused'::text, 'cancelled'::text, 'expired'::text, 'partly_fulfilled'::text, 'fulfilled'::text]))),
    CONSTRAINT requests_version_ck CHECK ((version >= 1)),
    CONSTRAINT requests_waiting_ck CHECK (((status = ANY (ARRAY['open'::text, 'reserved'::text, 'partly_refused'::text])) = (waiting_for <> ''::text)))
);

CREATE TABLE routes (
    from_id identifier NOT NULL,
    to_id identifier NOT NULL,
    eta_s integer NOT NULL,
    CONSTRAINT routes_eta_ck CHECK ((eta_s >= 0))
);

CREATE TABLE schema_parts (
    name text NOT NULL,
    digest text NOT NULL,
    rules_version text NOT NULL,
    applied_at timestamp with time zone NOT NULL
);

CREATE TABLE shortages (
    shortage_id identifier NOT NULL,
    station_id identifier NOT NULL,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    level text NOT NULL,
    status text NOT NULL,
    units_missing integer NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    assessed_at timestamp with time zone NOT NULL,
    donor_groups blood_group[] NOT NULL,
    CONSTRAINT shortages_level_ck CHECK ((level = ANY (ARRAY['green'::text, 'yellow'::text, 'orange'::text, 'red'::text]))),
    CONSTRAINT shortages_missing_ck CHECK ((units_missing >= 0)),
    CONSTRAINT shortages_status_ck CHECK ((status = ANY (ARRAY['open'::text, 'cleared'::text])))
);

CREATE TABLE stations (
    station_id identifier NOT NULL,
    body jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    changed_by text DEFAULT ''::text NOT NULL
);

CREATE TABLE stock_days (
    station_id identifier NOT NULL,
    day date NOT NULL,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    available integer NOT NULL,
    burn_per_d double precision NOT NULL,
    days_of_supply double precision,
    uncovered integer NOT NULL,
    level text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    CONSTRAINT stock_days_available_ck CHECK ((available >= 0)),
    CONSTRAINT stock_days_burn_ck CHECK ((burn_per_d >= (0)::double precision)),
    CONSTRAINT stock_days_level_ck CHECK ((level = ANY (ARRAY['green'::text, 'yellow'::text, 'orange'::text, 'red'::text]))),
    CONSTRAINT stock_days_uncovered_ck CHECK ((uncovered >= 0))
);

CREATE TABLE test_results (
    result_id identifier NOT NULL,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL,
    test text NOT NULL,
    outcome text,
    blood_group blood_group,
    method text NOT NULL,
    run_id identifier NOT NULL,
    performed_at timestamp with time zone NOT NULL,
    performed_by text NOT NULL,
    supersedes identifier,
    note text NOT NULL,
    caused_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT test_results_found_ck CHECK (((outcome IS NULL) <> (blood_group IS NULL))),
    CONSTRAINT test_results_grouping_ck CHECK ((((test = 'grouping'::text) AND ((outcome IS NULL) OR (outcome = 'invalid'::text))) OR ((test <> 'grouping'::text) AND (outcome IS NOT NULL)))),
    CONSTRAINT test_results_outcome_ck CHECK ((outcome = ANY (ARRAY['nonreactive'::text, 'reactive'::text, 'invalid'::text])))
);

CREATE TABLE timers (
    timer_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    CONSTRAINT timers_kind_ck CHECK ((kind ~ '^[a-z]+(_[a-z]+)*$'::text))
);

CREATE TABLE transfers (
    transfer_id identifier NOT NULL,
    offer_id identifier NOT NULL,
    from_station_id identifier NOT NULL,
    to_station_id identifier NOT NULL,
    status text NOT NULL,
    body jsonb NOT NULL,
    agreed_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    eta_s integer NOT NULL,
    CONSTRAINT transfers_eta_ck CHECK ((eta_s >= 0)),
    CONSTRAINT transfers_status_ck CHECK ((status = ANY (ARRAY['agreed'::text, 'in_transit'::text, 'completed'::text, 'cancelled'::text])))
);

CREATE TABLE unit_scans (
    scan_no bigint NOT NULL,
    unit_id identifier NOT NULL,
    change text NOT NULL,
    actor text NOT NULL,
    facility_id identifier NOT NULL,
    done_by text NOT NULL,
    epoch integer,
    out_of_control_s integer,
    happened_at timestamp with time zone NOT NULL,
    caused_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);

ALTER TABLE unit_scans ALTER COLUMN scan_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME unit_scans_scan_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE unit_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    cause text NOT NULL,
    actors text[] NOT NULL,
    needs_release boolean NOT NULL,
    promise text NOT NULL
);
ALTER TABLE activations ADD CONSTRAINT activations_event_uq UNIQUE (event_key, station_id);
ALTER TABLE activations ADD CONSTRAINT activations_pkey PRIMARY KEY (activation_id);
ALTER TABLE alerts ADD CONSTRAINT alerts_pkey PRIMARY KEY (alert_id);
ALTER TABLE api_keys ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);
ALTER TABLE audit_heads ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (chain);
ALTER TABLE audit ADD CONSTRAINT audit_pkey PRIMARY KEY (chain, sequence);
ALTER TABLE audit_seals ADD CONSTRAINT audit_seals_pkey PRIMARY KEY (chain);
ALTER TABLE call_outs ADD CONSTRAINT call_outs_pkey PRIMARY KEY (call_out_id);
ALTER TABLE compatible_groups ADD CONSTRAINT compatible_groups_pkey PRIMARY KEY (component, recipient, donor, rule);
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (dead_letter_id);
ALTER TABLE dead_letters ADD CONSTRAINT dead_letters_record_uq UNIQUE (reader, topic, partition, log_offset);
ALTER TABLE decisions ADD CONSTRAINT decisions_pkey PRIMARY KEY (decision_id);
ALTER TABLE decisions ADD CONSTRAINT decisions_version_uq UNIQUE (request_id, version);
ALTER TABLE directory_version ADD CONSTRAINT directory_version_pkey PRIMARY KEY (only_row);
ALTER TABLE donors ADD CONSTRAINT donors_pkey PRIMARY KEY (donor_id);
ALTER TABLE feed_floor ADD CONSTRAINT feed_floor_pkey PRIMARY KEY (one);
ALTER TABLE hospitals ADD CONSTRAINT hospitals_pkey PRIMARY KEY (hospital_id);
ALTER TABLE inbox ADD CONSTRAINT inbox_pkey PRIMARY KEY (reader, source, event_id);
ALTER TABLE needed_tests ADD CONSTRAINT needed_tests_pkey PRIMARY KEY (test);
ALTER TABLE offers ADD CONSTRAINT offers_pkey PRIMARY KEY (offer_id);
ALTER TABLE outbox_keys ADD CONSTRAINT outbox_keys_pkey PRIMARY KEY (key);
ALTER TABLE outbox ADD CONSTRAINT outbox_pkey PRIMARY KEY (row_id);
ALTER TABLE outbox ADD CONSTRAINT outbox_sequence_uq UNIQUE (key, sequence);
ALTER TABLE promises ADD CONSTRAINT promises_epoch_uq UNIQUE (unit_id, epoch);
ALTER TABLE promises ADD CONSTRAINT promises_pkey PRIMARY KEY (promise_id);
ALTER TABLE recalled_units ADD CONSTRAINT recalled_units_pkey PRIMARY KEY (recall_id, unit_id);
ALTER TABLE recalls ADD CONSTRAINT recalls_pkey PRIMARY KEY (recall_id);
ALTER TABLE reconciliation_differences ADD CONSTRAINT reconciliation_differences_pkey PRIMARY KEY (count_id, unit_id);
ALTER TABLE reconciliation_parts ADD CONSTRAINT reconciliation_parts_pkey PRIMARY KEY (count_id, part_no);
ALTER TABLE reconciliations ADD CONSTRAINT reconciliations_pkey PRIMARY KEY (count_id);
ALTER TABLE request_lines ADD CONSTRAINT request_lines_pkey PRIMARY KEY (request_id, line_no);
ALTER TABLE requests ADD CONSTRAINT requests_pkey PRIMARY KEY (request_id);
ALTER TABLE routes ADD CONSTRAINT routes_pkey PRIMARY KEY (from_id, to_id);
ALTER TABLE schema_parts ADD CONSTRAINT schema_parts_pkey PRIMARY KEY (name);
ALTER TABLE shortages ADD CONSTRAINT shortages_pkey PRIMARY KEY (shortage_id);
ALTER TABLE stations ADD CONSTRAINT stations_pkey PRIMARY KEY (station_id);
ALTER TABLE stock_days ADD CONSTRAINT stock_days_pkey PRIMARY KEY (station_id, day, component, blood_group);
ALTER TABLE test_results ADD CONSTRAINT test_results_pkey PRIMARY KEY (result_id);
ALTER TABLE timers ADD CONSTRAINT timers_pkey PRIMARY KEY (timer_id);
ALTER TABLE transfers ADD CONSTRAINT transfers_pkey PRIMARY KEY (transfer_id);
ALTER TABLE unit_scans ADD CONSTRAINT unit_scans_pkey PRIMARY KEY (scan_no);
ALTER TABLE unit_transitions ADD CONSTRAINT unit_transitions_pkey PRIMARY KEY (from_state, to_state);
ALTER TABLE units ADD CONSTRAINT units_identity_uq UNIQUE (unit_id, component, blood_group);
ALTER TABLE units ADD CONSTRAINT units_pkey PRIMARY KEY (unit_id);
CREATE INDEX alerts_event_ix ON alerts USING btree (event_key, revision DESC);
CREATE INDEX alerts_received_ix ON alerts USING btree (received_at DESC);
CREATE INDEX audit_subject_ix ON audit USING btree (subject);
CREATE INDEX call_outs_cause_ix ON call_outs USING btree (cause_id);
CREATE INDEX call_outs_donor_ix ON call_outs USING btree (donor_id);
CREATE UNIQUE INDEX call_outs_live_uq ON call_outs USING btree (donor_id) WHERE (status = ANY (ARRAY['called'::text, 'accepted'::text, 'arrived'::text]));
CREATE INDEX call_outs_station_ix ON call_outs USING btree (station_id, called_at DESC);
CREATE INDEX call_outs_unit_ix ON call_outs USING btree (unit_id) WHERE (unit_id IS NOT NULL);
CREATE INDEX dead_letters_headers_ix ON dead_letters USING gin (headers jsonb_path_ops);
CREATE INDEX dead_letters_waiting_ix ON dead_letters USING btree (is_life_threatening DESC, quarantined_at DESC, dead_letter_id) WHERE (replayed_at IS NULL);
CREATE INDEX donors_contact_ix ON donors USING btree (contact_key);
CREATE INDEX donors_person_ix ON donors USING btree (person_key);
CREATE INDEX donors_station_ix ON donors USING btree (station_id, blood_group);
CREATE INDEX donors_zeros_ix ON donors USING btree (ltrim((donor_id)::text, '0'::text));
CREATE UNIQUE INDEX hospitals_spelling_uq ON hospitals USING btree (lower((hospital_id)::text));
CREATE INDEX offers_shortage_ix ON offers USING btree (shortage_id);
CREATE INDEX outbox_feed_ix ON outbox USING btree (tx, row_id);
CREATE INDEX outbox_pending_ix ON outbox USING btree (shard, row_id) WHERE (published_at IS NULL);
CREATE INDEX outbox_subject_ix ON outbox USING btree (subject);
CREATE INDEX promises_held_at_ix ON promises USING btree (held_at);
CREATE UNIQUE INDEX promises_live_uq ON promises USING btree (unit_id) WHERE (status = ANY (ARRAY['held'::text, 'issued'::text]));
CREATE INDEX promises_request_ix ON promises USING btree (request_id) WHERE (request_id IS NOT NULL);
CREATE INDEX promises_transfer_ix ON promises USING btree (transfer_id) WHERE (transfer_id IS NOT NULL);
CREATE INDEX recalls_donation_ix ON recalls USING btree (donation_id);
CREATE UNIQUE INDEX reconciliation_differences_open_uq ON reconciliation_differences USING btree (station_id, unit_id) WHERE (closed_at IS NULL);
CREATE INDEX reconciliation_differences_outside_ix ON reconciliation_differences USING btree (unit_id) WHERE (resolution = 'issued_outside'::text);
CREATE INDEX reconciliations_station_ix ON reconciliations USING btree (station_id, counted_at DESC);
CREATE INDEX request_lines_uncovered_ix ON request_lines USING btree (request_id) WHERE (uncovered > 0);
CREATE INDEX requests_hospital_ix ON requests USING btree (hospital_id, opened_at DESC);
CREATE INDEX requests_open_ix ON requests USING btree (station_id, needed_by) WHERE (status = 'open'::text);
CREATE INDEX requests_patient_ix ON requests USING btree (hospital_id, lower(((body -> 'patient'::text) ->> 'reference'::text))) WHERE (status = ANY (ARRAY['open'::text, 'reserved'::text, 'partly_refused'::text]));
CREATE UNIQUE INDEX shortages_open_uq ON shortages USING btree (station_id, component, blood_group) WHERE (status = 'open'::text);
CREATE UNIQUE INDEX stations_spelling_uq ON stations USING btree (lower((station_id)::text));
CREATE INDEX test_results_donation_ix ON test_results USING btree (donation_id);
CREATE UNIQUE INDEX test_results_supersedes_uq ON test_results USING btree (supersedes) WHERE (supersedes IS NOT NULL);
CREATE INDEX timers_due_ix ON timers USING btree (due_at);
CREATE INDEX unit_scans_unit_ix ON unit_scans USING btree (unit_id);
CREATE INDEX units_donation_ix ON units USING btree (donation_id);
CREATE INDEX units_donation_zeros_ix ON units USING btree (ltrim((donation_id)::text, '0'::text));
CREATE INDEX units_expiry_ix ON units USING btree (expires_at) WHERE (status = ANY (ARRAY['collected'::text, 'quarantined'::text, 'available'::text, 'reserved'::text, 'picked'::text, 'returned'::text]));
CREATE INDEX units_fefo_ix ON units USING btree (station_id, component, blood_group, expires_at, unit_id) WHERE (status = 'available'::text);
CREATE INDEX units_parent_ix ON units USING btree (parent_id) WHERE (parent_id IS NOT NULL);
CREATE UNIQUE INDEX units_spelling_uq ON units USING btree (upper((unit_id)::text));
CREATE INDEX units_zeros_ix ON units USING btree (ltrim((unit_id)::text, '0'::text));

INSERT INTO directory_version VALUES (true, 1);
INSERT INTO feed_floor VALUES (true, '0', 0);
ALTER TABLE activations ADD CONSTRAINT activations_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE call_outs ADD CONSTRAINT call_outs_donor_fk FOREIGN KEY (donor_id) REFERENCES donors(donor_id);
ALTER TABLE call_outs ADD CONSTRAINT call_outs_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE call_outs ADD CONSTRAINT call_outs_unit_fk FOREIGN KEY (unit_id) REFERENCES units(unit_id);
ALTER TABLE decisions ADD CONSTRAINT decisions_request_fk FOREIGN KEY (request_id) REFERENCES requests(request_id);
ALTER TABLE donors ADD CONSTRAINT donors_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE hospitals ADD CONSTRAINT hospitals_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE offers ADD CONSTRAINT offers_from_fk FOREIGN KEY (from_station_id) REFERENCES stations(station_id);
ALTER TABLE offers ADD CONSTRAINT offers_shortage_fk FOREIGN KEY (shortage_id) REFERENCES shortages(shortage_id);
ALTER TABLE offers ADD CONSTRAINT offers_to_fk FOREIGN KEY (to_station_id) REFERENCES stations(station_id);
ALTER TABLE promises ADD CONSTRAINT promises_line_fk FOREIGN KEY (request_id, line_no) REFERENCES request_lines(request_id, line_no);
ALTER TABLE promises ADD CONSTRAINT promises_transfer_fk FOREIGN KEY (transfer_id) REFERENCES transfers(transfer_id);
ALTER TABLE promises ADD CONSTRAINT promises_unit_fk FOREIGN KEY (unit_id, component, blood_group) REFERENCES units(unit_id, component, blood_group);
ALTER TABLE recalled_units ADD CONSTRAINT recalled_units_recall_fk FOREIGN KEY (recall_id) REFERENCES recalls(recall_id);
ALTER TABLE recalled_units ADD CONSTRAINT recalled_units_unit_fk FOREIGN KEY (unit_id) REFERENCES units(unit_id);
ALTER TABLE recalls ADD CONSTRAINT recalls_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE reconciliation_differences ADD CONSTRAINT reconciliation_differences_count_fk FOREIGN KEY (count_id) REFERENCES reconciliations(count_id);
ALTER TABLE reconciliation_differences ADD CONSTRAINT reconciliation_differences_unit_fk FOREIGN KEY (unit_id) REFERENCES units(unit_id);
ALTER TABLE reconciliation_parts ADD CONSTRAINT reconciliation_parts_count_fk FOREIGN KEY (count_id) REFERENCES reconciliations(count_id);
ALTER TABLE reconciliations ADD CONSTRAINT reconciliations_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE request_lines ADD CONSTRAINT request_lines_request_fk FOREIGN KEY (request_id) REFERENCES requests(request_id);
ALTER TABLE requests ADD CONSTRAINT requests_hospital_fk FOREIGN KEY (hospital_id) REFERENCES hospitals(hospital_id);
ALTER TABLE requests ADD CONSTRAINT requests_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE shortages ADD CONSTRAINT shortages_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE stock_days ADD CONSTRAINT stock_days_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE test_results ADD CONSTRAINT test_results_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);
ALTER TABLE test_results ADD CONSTRAINT test_results_supersedes_fk FOREIGN KEY (supersedes) REFERENCES test_results(result_id);
ALTER TABLE test_results ADD CONSTRAINT test_results_test_fk FOREIGN KEY (test) REFERENCES needed_tests(test);
ALTER TABLE transfers ADD CONSTRAINT transfers_from_fk FOREIGN KEY (from_station_id) REFERENCES stations(station_id);
ALTER TABLE transfers ADD CONSTRAINT transfers_offer_fk FOREIGN KEY (offer_id) REFERENCES offers(offer_id);
ALTER TABLE transfers ADD CONSTRAINT transfers_to_fk FOREIGN KEY (to_station_id) REFERENCES stations(station_id);
ALTER TABLE unit_scans ADD CONSTRAINT unit_scans_unit_fk FOREIGN KEY (unit_id) REFERENCES units(unit_id);
ALTER TABLE units ADD CONSTRAINT units_parent_fk FOREIGN KEY (parent_id) REFERENCES units(unit_id);
ALTER TABLE units ADD CONSTRAINT units_station_fk FOREIGN KEY (station_id) REFERENCES stations(station_id);

-- What the triggers do stands in functions/, which is written right after the migrations.
CREATE FUNCTION check_promise() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE FUNCTION check_unit_life() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE FUNCTION count_directory_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE FUNCTION raise_feed_floor() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''functions/ is not written yet''; END';
CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_heads_kept BEFORE DELETE OR TRUNCATE ON audit_heads FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER hospitals_counted AFTER INSERT OR DELETE OR UPDATE ON hospitals FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();
CREATE TRIGGER outbox_feed_floor AFTER DELETE ON outbox REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION raise_feed_floor();
CREATE CONSTRAINT TRIGGER promises_safe AFTER INSERT OR UPDATE OF status ON promises DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.status = ANY (ARRAY['held'::text, 'issued'::text]))) EXECUTE FUNCTION check_promise();
CREATE TRIGGER recalled_units_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON recalled_units FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER recalls_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON recalls FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER routes_counted AFTER INSERT OR DELETE OR UPDATE ON routes FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();
CREATE TRIGGER stations_counted AFTER INSERT OR DELETE OR UPDATE ON stations FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();
CREATE TRIGGER test_results_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON test_results FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER unit_scans_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON unit_scans FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER units_life_insert BEFORE INSERT ON units FOR EACH ROW EXECUTE FUNCTION check_unit_life();
CREATE TRIGGER units_life_update BEFORE UPDATE OF status ON units FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION check_unit_life();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'there is nothing before this: drop the database'; END $$;
