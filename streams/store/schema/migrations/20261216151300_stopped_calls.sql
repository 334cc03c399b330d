-- migrate:up

-- A cause for which nobody is called any more, by the word of a named person.
CREATE TABLE call_stops (
    stop_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cause_id identifier NOT NULL,
    station_id identifier NOT NULL,
    actor text NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    stopped_at timestamptz NOT NULL,
    caused_by text NOT NULL,
    ended_at timestamptz,
    ended_by text,
    ended_why text,
    CONSTRAINT call_stops_station_fk FOREIGN KEY (station_id) REFERENCES stations (station_id),
    CONSTRAINT call_stops_signed_ck CHECK (btrim(by) <> '' AND btrim(reason) <> ''),
    CONSTRAINT call_stops_ended_ck CHECK (
        (ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_why IS NULL)
    )
);

CREATE UNIQUE INDEX call_stops_live_uq ON call_stops (cause_id) WHERE ended_at IS NULL;
CREATE INDEX call_stops_station_ix ON call_stops (station_id) WHERE ended_at IS NULL;

-- migrate:down

DO $$ BEGIN RAISE EXCEPTION 'the schema only goes forward'; END $$;
