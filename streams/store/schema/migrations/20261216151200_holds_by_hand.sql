-- migrate:up

-- A bag that a named person keeps back from everybody. It lies where it lay, released as before.
ALTER TABLE units DROP CONSTRAINT units_status_ck;
ALTER TABLE units ADD CONSTRAINT units_status_ck CHECK (status IN (
    'collected', 'quarantined', 'split', 'available', 'on_hold', 'reserved', 'picked', 'issued',
    'in_transit', 'received', 'transfused', 'returned', 'discarded', 'expired', 'recalled'
)) NOT VALID;
ALTER TABLE units VALIDATE CONSTRAINT units_status_ck;

DROP INDEX units_expiry_ix;
CREATE INDEX units_expiry_ix ON units (usable_until)
WHERE status IN (
    'collected', 'quarantined', 'available', 'on_hold', 'reserved', 'picked', 'returned'
);

CREATE TABLE unit_holds (
    hold_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    unit_id identifier NOT NULL,
    station_id identifier NOT NULL,
    actor text NOT NULL,
    by text NOT NULL,
    reason text NOT NULL,
    placed_at timestamptz NOT NULL,
    until timestamptz,
    caused_by text NOT NULL,
    ended_at timestamptz,
    ended_by text,
    ended_why text,
    CONSTRAINT unit_holds_unit_fk FOREIGN KEY (unit_id) REFERENCES units (unit_id),
    CONSTRAINT unit_holds_signed_ck CHECK (btrim(by) <> '' AND btrim(reason) <> ''),
    CONSTRAINT unit_holds_until_ck CHECK (until > placed_at),
    CONSTRAINT unit_holds_ended_ck CHECK (
        (ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_why IS NULL)
    )
);

-- At most one hold of a bag; and what is held where.
CREATE UNIQUE INDEX unit_holds_live_uq ON unit_holds (unit_id) WHERE ended_at IS NULL;
CREATE INDEX unit_holds_station_ix ON unit_holds (station_id, placed_at) WHERE ended_at IS NULL;

-- migrate:down

DO $$ BEGIN RAISE EXCEPTION 'the schema only goes forward'; END $$;
