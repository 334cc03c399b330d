-- migrate:up

-- What of the schema is written again when it changes, and by which rules: `schema/repeatable.py`.
CREATE TABLE schema_parts (
    name text PRIMARY KEY,
    digest text NOT NULL,
    rules_version text NOT NULL,
    applied_at timestamptz NOT NULL
);

-- migrate:down
DROP TABLE schema_parts;
