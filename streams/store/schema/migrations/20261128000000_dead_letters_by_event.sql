-- migrate:up

-- Serves list_fates and list_quarantined: the gateway asks what became of an event by its id and
-- source while a caller waits, and a table that keeps every refusal is not to be read whole for it.
CREATE INDEX dead_letters_headers_ix ON dead_letters USING gin (headers jsonb_path_ops);

-- migrate:down

DROP INDEX dead_letters_headers_ix;
