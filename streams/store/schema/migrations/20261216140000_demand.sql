-- migrate:up

-- What a station was asked for lately is learned from.
CREATE INDEX requests_asked_ix ON requests (station_id, opened_at);

-- What of a line lies there and is kept for expected need: those who have a claim on the shelf.
ALTER TABLE request_lines ADD COLUMN deferred_units integer NOT NULL DEFAULT 0;
ALTER TABLE request_lines ADD CONSTRAINT request_lines_deferred_ck CHECK (deferred_units >= 0);

-- migrate:down
ALTER TABLE request_lines DROP COLUMN deferred_units;
DROP INDEX requests_asked_ix;
