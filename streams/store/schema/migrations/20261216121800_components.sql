-- migrate:up

-- The products that were missing: GB 18469-2012.
ALTER DOMAIN component DROP CONSTRAINT component_check;
ALTER DOMAIN component ADD CONSTRAINT component_check CHECK (
    value IN (
        'red_cells', 'washed_red_cells', 'frozen_red_cells', 'deglycerolised_red_cells',
        'platelets', 'platelet_concentrate', 'pooled_platelets', 'fresh_frozen_plasma',
        'frozen_plasma', 'cryoprecipitate', 'whole_blood', 'apheresis_granulocytes'
    )
);

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'restore the database from a backup'; END $$;
