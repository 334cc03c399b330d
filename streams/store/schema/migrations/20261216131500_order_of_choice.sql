-- migrate:up

-- The order in which units of a place are chosen: streams/matching/choice_order.py. A shelf that is read
-- with a limit shows those that would be chosen.
ALTER TABLE units
ADD COLUMN doubted_at timestamptz,
ADD COLUMN rarity integer NOT NULL GENERATED ALWAYS AS (
    (traits @> '{"leukoreduced": true}')::integer
    + (traits @> '{"irradiated": true}')::integer
    + (traits @> '{"cmv_negative": true}')::integer
    + (traits @> '{"washed": true}')::integer
    + (traits @> '{"low_titre": true}')::integer
    + jsonb_array_length(coalesce(traits -> 'antigen_negative', '[]'))
    + (coalesce(traits -> 'hla', '[]') <> '[]')::integer
) STORED;

COMMENT ON COLUMN units.doubted_at IS
'Since when it may have left its station unscanned: its hold lapsed, and nobody saw it since.';

DROP INDEX units_fefo_ix;
CREATE INDEX units_choice_ix ON units (
    station_id, component, blood_group, (doubted_at IS NOT NULL), rarity, expires_at, unit_id
) WHERE status = 'available';
CREATE INDEX units_doubted_ix ON units (doubted_at) WHERE doubted_at IS NOT NULL;
CREATE INDEX units_reserved_ix ON units (station_id, component) WHERE status = 'reserved';

-- migrate:down
DROP INDEX units_reserved_ix;
DROP INDEX units_doubted_ix;
DROP INDEX units_choice_ix;
CREATE INDEX units_fefo_ix ON units (station_id, component, blood_group, expires_at, unit_id)
WHERE status = 'available';
ALTER TABLE units DROP COLUMN rarity, DROP COLUMN doubted_at;
