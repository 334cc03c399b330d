-- migrate:up

-- A unit says how it was made, and that may end its life before its label does.
ALTER TABLE units ADD COLUMN made_until timestamptz;
ALTER TABLE units ADD COLUMN usable_until timestamptz
GENERATED ALWAYS AS (least(expires_at, made_until)) STORED NOT NULL;
DROP INDEX units_expiry_ix;
CREATE INDEX units_expiry_ix ON units (usable_until)
WHERE status IN ('collected', 'quarantined', 'available', 'reserved', 'picked', 'returned');
-- What a unit does not state is taken as models/shelf_lives.py takes it: it was irradiated or washed
-- when it was collected.
UPDATE units AS u SET made_until = m.made_until
FROM (
    SELECT unit_id, least(
        CASE WHEN traits @> '{"washed": true}' THEN collected_at + interval '24 hours' END,
        CASE
            WHEN
                traits @> '{"irradiated": true}'
                AND component IN ('red_cells', 'washed_red_cells', 'whole_blood')
            THEN collected_at + interval '336 hours'
        END
    ) AS made_until
    FROM units
) AS m
WHERE m.unit_id = u.unit_id AND m.made_until < u.expires_at;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'restore the database from a backup'; END $$;
