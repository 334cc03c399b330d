-- migrate:up

-- What of a line is neither promised nor missing: it waits for a word that it is meant.
ALTER TABLE request_lines ADD COLUMN unconfirmed integer NOT NULL DEFAULT 0;
ALTER TABLE request_lines ADD CONSTRAINT request_lines_unconfirmed_ck CHECK (unconfirmed >= 0);

-- migrate:down
ALTER TABLE request_lines DROP COLUMN unconfirmed;
