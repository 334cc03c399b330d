-- migrate:up

-- A quantity counts ordering units, bags or millilitres. Until now every line counted bags; it goes on
-- to mean what it meant when it was asked.
ALTER TABLE request_lines
ADD COLUMN measure text NOT NULL DEFAULT 'bag',
ADD CONSTRAINT request_lines_measure_ck CHECK (measure IN ('unit', 'bag', 'ml'));

ALTER TABLE request_lines ALTER COLUMN measure DROP DEFAULT;

-- What is missing in ordering units: lines of several measures are told in one sum.
ALTER TABLE request_lines ADD COLUMN uncovered_units integer NOT NULL DEFAULT 0;

UPDATE request_lines SET uncovered_units = uncovered WHERE uncovered > 0;

ALTER TABLE request_lines
ALTER COLUMN uncovered_units DROP DEFAULT,
ADD CONSTRAINT request_lines_uncovered_units_ck CHECK (uncovered_units >= 0);

UPDATE requests SET body = jsonb_set(body, '{lines}', (
    SELECT coalesce(jsonb_agg('{"measure": "bag"}'::jsonb || line.body ORDER BY line.at), '[]')
    FROM jsonb_array_elements(body -> 'lines') WITH ORDINALITY AS line (body, at)
))
WHERE jsonb_typeof(body -> 'lines') = 'array';

-- migrate:down

DO $$ BEGIN RAISE EXCEPTION 'the schema only goes forward'; END $$;
