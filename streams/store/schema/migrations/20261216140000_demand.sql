-- migrate:up

-- What a station was asked for lately is learned from.
CREATE INDEX requests_asked_ix ON requests (station_id, opened_at);

-- migrate:down
DROP INDEX requests_asked_ix;
