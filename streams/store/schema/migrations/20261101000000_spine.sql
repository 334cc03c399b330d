-- migrate:up

-- Words used in several tables. Text with a check, not enum types: a new word is a plain migration.
CREATE DOMAIN identifier AS text CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$');
CREATE DOMAIN blood_group AS text CHECK (VALUE IN ('O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+'));
CREATE DOMAIN component AS text CHECK (VALUE IN (
    'red_cells', 'washed_red_cells', 'frozen_red_cells', 'platelets', 'fresh_frozen_plasma',
    'frozen_plasma', 'cryoprecipitate', 'whole_blood'
));

-- Facilities ------------------------------------------------------------------------------------
CREATE TABLE stations (
    station_id identifier PRIMARY KEY,
    body jsonb NOT NULL
);

CREATE TABLE hospitals (
    hospital_id identifier PRIMARY KEY,
    station_id identifier NOT NULL CONSTRAINT hospitals_station_fk REFERENCES stations,
    body jsonb NOT NULL
);

-- Journeys that are known; where none is, the estimate from coordinates is used and marked.
CREATE TABLE routes (
    from_id identifier NOT NULL,
    to_id identifier NOT NULL,
    eta_s integer NOT NULL CONSTRAINT routes_eta_ck CHECK (eta_s >= 0),
    PRIMARY KEY (from_id, to_id)
);

-- Blood -----------------------------------------------------------------------------------------
-- quarantined -> available | discarded; available -> reserved | discarded | expired;
-- reserved -> available | issued | discarded | expired; issued -> received | available | discarded.
CREATE TABLE units (
    unit_id identifier PRIMARY KEY,
    donation_id identifier NOT NULL,
    station_id identifier NOT NULL CONSTRAINT units_station_fk REFERENCES stations,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    volume_ml integer NOT NULL CONSTRAINT units_volume_ck CHECK (volume_ml BETWEEN 1 AND 1000),
    collected_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    traits jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL CONSTRAINT units_status_ck CHECK (status IN (
        'quarantined', 'available', 'reserved', 'issued', 'received', 'discarded', 'expired'
    )),
    source text NOT NULL CONSTRAINT units_source_ck CHECK (source IN ('stock', 'donor', 'neighbour')),
    epoch integer NOT NULL DEFAULT 0,
    released_at timestamptz,
    CONSTRAINT units_expiry_ck CHECK (expires_at > collected_at),
    -- A unit is released before it is anything but quarantined, discarded or expired.
    CONSTRAINT units_released_ck CHECK (
        released_at IS NOT NULL OR status IN ('quarantined', 'discarded', 'expired')
    ),
    -- Lets a promise carry the unit's own component and group.
    CONSTRAINT units_identity_uq UNIQUE (unit_id, component, blood_group)
)
-- Status changes touch no index but the partial ones below; room on the page keeps the rest in place.
WITH (fillfactor = 80);

-- Serves the choice of units: first expiry first out, per station, component and group.
CREATE INDEX units_fefo_ix ON units (station_id, component, blood_group, expires_at, unit_id)
WHERE status = 'available';
-- Serves the expiry timer.
CREATE INDEX units_expiry_ix ON units (expires_at) WHERE status IN ('available', 'quarantined', 'reserved');
-- Serves look-back: everything made from one donation.
CREATE INDEX units_donation_ix ON units (donation_id);

-- Requests --------------------------------------------------------------------------------------
CREATE TABLE requests (
    request_id identifier PRIMARY KEY,
    hospital_id identifier NOT NULL CONSTRAINT requests_hospital_fk REFERENCES hospitals,
    station_id identifier NOT NULL CONSTRAINT requests_station_fk REFERENCES stations,
    priority text NOT NULL CONSTRAINT requests_priority_ck CHECK (
        priority IN ('life_threatening', 'urgent', 'routine')
    ),
    needed_by timestamptz NOT NULL,
    -- open -> reserved | refused | cancelled | expired; reserved -> open | fulfilled | cancelled.
    status text NOT NULL CONSTRAINT requests_status_ck CHECK (status IN (
        'open', 'reserved', 'refused', 'cancelled', 'expired', 'fulfilled'
    )),
    waiting_for text NOT NULL,
    version integer NOT NULL CONSTRAINT requests_version_ck CHECK (version >= 1),
    body jsonb NOT NULL,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    -- Open means it waits for something; ended means it waits for nothing.
    CONSTRAINT requests_waiting_ck CHECK ((status IN ('open', 'reserved')) = (waiting_for <> ''))
);
-- Serves matching again when blood arrives.
CREATE INDEX requests_open_ix ON requests (station_id, needed_by) WHERE status = 'open';
-- Serves a hospital's list.
CREATE INDEX requests_hospital_ix ON requests (hospital_id, opened_at DESC);

CREATE TABLE request_lines (
    request_id identifier NOT NULL CONSTRAINT request_lines_request_fk REFERENCES requests,
    line_no integer NOT NULL,
    component component NOT NULL,
    quantity integer NOT NULL CONSTRAINT request_lines_quantity_ck CHECK (quantity > 0),
    uncovered integer NOT NULL CONSTRAINT request_lines_uncovered_ck CHECK (uncovered >= 0),
    PRIMARY KEY (request_id, line_no)
);
-- Serves the assessment of shortages: what patients wait for now.
CREATE INDEX request_lines_uncovered_ix ON request_lines (request_id) WHERE uncovered > 0;

CREATE TABLE decisions (
    decision_id identifier PRIMARY KEY,
    request_id identifier NOT NULL CONSTRAINT decisions_request_fk REFERENCES requests,
    version integer NOT NULL,
    outcome text NOT NULL,
    body jsonb NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT decisions_version_uq UNIQUE (request_id, version)
);

-- Between stations ------------------------------------------------------------------------------
CREATE TABLE shortages (
    shortage_id identifier PRIMARY KEY,
    station_id identifier NOT NULL CONSTRAINT shortages_station_fk REFERENCES stations,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    level text NOT NULL CONSTRAINT shortages_level_ck CHECK (level IN ('green', 'yellow', 'orange', 'red')),
    status text NOT NULL CONSTRAINT shortages_status_ck CHECK (status IN ('open', 'cleared')),
    units_missing integer NOT NULL CONSTRAINT shortages_missing_ck CHECK (units_missing >= 0),
    version integer NOT NULL,
    body jsonb NOT NULL,
    opened_at timestamptz NOT NULL,
    assessed_at timestamptz NOT NULL
);
-- One open shortage per station, component and group.
CREATE UNIQUE INDEX shortages_open_uq ON shortages (station_id, component, blood_group)
WHERE status = 'open';

CREATE TABLE offers (
    offer_id identifier PRIMARY KEY,
    shortage_id identifier NOT NULL CONSTRAINT offers_shortage_fk REFERENCES shortages,
    from_station_id identifier NOT NULL CONSTRAINT offers_from_fk REFERENCES stations,
    to_station_id identifier NOT NULL CONSTRAINT offers_to_fk REFERENCES stations,
    status text NOT NULL CONSTRAINT offers_status_ck CHECK (status IN ('accepted', 'declined')),
    body jsonb NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT offers_other_ck CHECK (from_station_id <> to_station_id)
);
CREATE INDEX offers_shortage_ix ON offers (shortage_id);

CREATE TABLE transfers (
    transfer_id identifier PRIMARY KEY,
    offer_id identifier NOT NULL CONSTRAINT transfers_offer_fk REFERENCES offers,
    from_station_id identifier NOT NULL CONSTRAINT transfers_from_fk REFERENCES stations,
    to_station_id identifier NOT NULL CONSTRAINT transfers_to_fk REFERENCES stations,
    -- agreed -> in_transit -> completed; agreed -> cancelled.
    status text NOT NULL CONSTRAINT transfers_status_ck CHECK (
        status IN ('agreed', 'in_transit', 'completed', 'cancelled')
    ),
    body jsonb NOT NULL,
    agreed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Promises --------------------------------------------------------------------------------------
-- held -> issued -> received; held -> released (given back); issued -> lost | released.
CREATE TABLE promises (
    promise_id identifier PRIMARY KEY,
    unit_id identifier NOT NULL,
    component component NOT NULL,
    blood_group blood_group NOT NULL,
    epoch integer NOT NULL CONSTRAINT promises_epoch_ck CHECK (epoch >= 1),
    request_id identifier,
    line_no integer,
    transfer_id identifier CONSTRAINT promises_transfer_fk REFERENCES transfers,
    status text NOT NULL CONSTRAINT promises_status_ck CHECK (
        status IN ('held', 'issued', 'received', 'released', 'lost')
    ),
    capped boolean NOT NULL DEFAULT false,
    reason jsonb NOT NULL,
    held_at timestamptz NOT NULL,
    hold_until timestamptz NOT NULL,
    ended_at timestamptz,
    -- The promise carries the unit's own component and group, and cannot carry another's.
    CONSTRAINT promises_unit_fk FOREIGN KEY (unit_id, component, blood_group)
    REFERENCES units (unit_id, component, blood_group),
    CONSTRAINT promises_line_fk FOREIGN KEY (request_id, line_no) REFERENCES request_lines,
    CONSTRAINT promises_cause_ck CHECK ((request_id IS NULL) <> (transfer_id IS NULL)),
    CONSTRAINT promises_epoch_uq UNIQUE (unit_id, epoch)
) WITH (fillfactor = 80);
-- No unit is ever promised twice.
CREATE UNIQUE INDEX promises_live_uq ON promises (unit_id) WHERE status IN ('held', 'issued');
CREATE INDEX promises_request_ix ON promises (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX promises_transfer_ix ON promises (transfer_id) WHERE transfer_id IS NOT NULL;
-- Serves the burn rate: units promised to patients since an instant.
CREATE INDEX promises_held_at_ix ON promises (held_at);

-- Disasters and donors --------------------------------------------------------------------------
CREATE TABLE alerts (
    alert_id identifier PRIMARY KEY,
    event_key identifier NOT NULL,
    revision integer NOT NULL,
    body jsonb NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX alerts_event_ix ON alerts (event_key, revision DESC);

CREATE TABLE activations (
    activation_id identifier PRIMARY KEY,
    event_key identifier NOT NULL,
    station_id identifier NOT NULL CONSTRAINT activations_station_fk REFERENCES stations,
    -- open -> stood_down; a later revision may open it again.
    status text NOT NULL CONSTRAINT activations_status_ck CHECK (status IN ('open', 'stood_down')),
    revision integer NOT NULL,
    donors_wanted integer NOT NULL CONSTRAINT activations_donors_ck CHECK (donors_wanted >= 0),
    body jsonb NOT NULL,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT activations_event_uq UNIQUE (event_key, station_id)
);

CREATE TABLE donors (
    donor_id identifier PRIMARY KEY,
    station_id identifier NOT NULL CONSTRAINT donors_station_fk REFERENCES stations,
    blood_group blood_group NOT NULL,
    body jsonb NOT NULL,
    last_whole_blood_on date,
    -- What has been learnt of this donor: calls made, and how many were accepted.
    called integer NOT NULL DEFAULT 0,
    accepted integer NOT NULL DEFAULT 0,
    CONSTRAINT donors_counts_ck CHECK (accepted BETWEEN 0 AND called)
);
CREATE INDEX donors_station_ix ON donors (station_id, blood_group);

CREATE TABLE call_outs (
    call_out_id identifier PRIMARY KEY,
    donor_id identifier NOT NULL CONSTRAINT call_outs_donor_fk REFERENCES donors,
    station_id identifier NOT NULL CONSTRAINT call_outs_station_fk REFERENCES stations,
    cause_id identifier NOT NULL,
    wave integer NOT NULL CONSTRAINT call_outs_wave_ck CHECK (wave >= 1),
    -- called -> accepted | declined | no_answer | stood_down; accepted -> arrived | no_show |
    -- stood_down; arrived -> donated | deferred.
    status text NOT NULL CONSTRAINT call_outs_status_ck CHECK (status IN (
        'called', 'accepted', 'arrived', 'declined', 'no_answer', 'no_show', 'donated', 'deferred',
        'stood_down'
    )),
    called_at timestamptz NOT NULL,
    answered_at timestamptz,
    ended_at timestamptz,
    unit_id identifier CONSTRAINT call_outs_unit_fk REFERENCES units
);
-- A donor is on one live call at a time.
CREATE UNIQUE INDEX call_outs_live_uq ON call_outs (donor_id)
WHERE status IN ('called', 'accepted', 'arrived');
CREATE INDEX call_outs_cause_ix ON call_outs (cause_id);
-- Serves a station's list of calls, the newest first.
CREATE INDEX call_outs_station_ix ON call_outs (station_id, called_at DESC);

-- Plumbing --------------------------------------------------------------------------------------
-- One row per event that was taken in: the guard against repeats and reused identifiers.
CREATE TABLE inbox (
    source text NOT NULL,
    event_id text NOT NULL,
    reader text NOT NULL,
    digest text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (reader, source, event_id)
);

-- One row per key: allocates the gapless sequence, and by its row lock makes the order of
-- sequences the order of commits.
CREATE TABLE outbox_keys (
    key text PRIMARY KEY,
    sequence bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE outbox (
    row_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The writing transaction: readers of the feed go up to the oldest one still running.
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    lane smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    -- NULL for dead letters, which carry the broken record as it was.
    sequence bigint,
    event_id text NOT NULL,
    event_type text NOT NULL,
    source text NOT NULL,
    subject text NOT NULL,
    caused_by text,
    traceparent text,
    -- Who may see it in the feed.
    station_id text,
    hospital_id text,
    body bytea NOT NULL,
    made_at timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT outbox_sequence_uq UNIQUE (key, sequence)
);
-- Serves the relay: what waits, per lane, in order.
CREATE INDEX outbox_pending_ix ON outbox (lane, row_id) WHERE published_at IS NULL;
-- Serves the resumable feed.
CREATE INDEX outbox_feed_ix ON outbox (tx, row_id);
-- Serves a request's timeline.
CREATE INDEX outbox_subject_ix ON outbox (subject);

-- Holds lanes against every other relay until the transaction ends, and gives what waits in them.
-- One round trip: each statement of a function sees what was committed while the one before waited.
-- A mark that is lost with a crash of the server costs a second delivery, not a record, so this
-- transaction need not wait for the disk.
CREATE FUNCTION claim_outbox(space integer, wanted integer[], most integer)
RETURNS SETOF outbox LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(space, w) FROM (SELECT unnest(wanted) AS w ORDER BY 1) AS ordered;
    RETURN QUERY
    SELECT * FROM outbox AS o
    WHERE o.lane = ANY(wanted::smallint[]) AND o.published_at IS NULL
    ORDER BY o.row_id
    LIMIT most;
END
$$;

-- Records that could not be accepted, whole, with the reason; replayable.
CREATE TABLE dead_letters (
    dead_letter_id identifier PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    reader text NOT NULL,
    key bytea,
    body bytea,
    headers jsonb NOT NULL,
    code text NOT NULL,
    params jsonb NOT NULL,
    quarantined_at timestamptz NOT NULL,
    replayed_at timestamptz,
    CONSTRAINT dead_letters_record_uq UNIQUE (reader, topic, partition, log_offset)
);

-- Timers are rows: they survive a restart and fire in the transaction that does their work.
CREATE TABLE timers (
    timer_id text PRIMARY KEY,
    kind text NOT NULL CONSTRAINT timers_kind_ck CHECK (kind IN (
        'hold_lapse', 'request_expiry', 'unit_expiry', 'shortage_assessment', 'rematch', 'call_wave',
        'no_show', 'feed_retention'
    )),
    subject text NOT NULL,
    due_at timestamptz NOT NULL
);
CREATE INDEX timers_due_ix ON timers (due_at);

-- Who did what to which unit, request, activation or donor, when and why.
CREATE TABLE audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind text NOT NULL,
    subject text NOT NULL,
    station_id text,
    from_state text NOT NULL,
    to_state text NOT NULL,
    why text NOT NULL,
    caused_by text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX audit_subject_ix ON audit (subject);

CREATE TABLE api_keys (
    key_id identifier PRIMARY KEY,
    -- argon2id of the secret part; the secret itself is shown once and kept nowhere.
    secret_hash text NOT NULL,
    scope text NOT NULL CONSTRAINT api_keys_scope_ck CHECK (
        scope IN ('hospital', 'station', 'dispatcher', 'neighbour', 'disaster')
    ),
    -- The hospital or station it speaks for; NULL for dispatchers and disaster feeds.
    facility_id identifier,
    label text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT api_keys_facility_ck CHECK (
        (scope IN ('hospital', 'station', 'neighbour')) = (facility_id IS NOT NULL)
    )
);

-- migrate:down
DROP FUNCTION claim_outbox;
DROP TABLE api_keys, audit, timers, dead_letters, outbox, outbox_keys, inbox, call_outs, donors,
activations, alerts, promises, transfers, offers, shortages, decisions, request_lines, requests, units,
routes, hospitals, stations;
DROP DOMAIN component;
DROP DOMAIN blood_group;
DROP DOMAIN identifier;
