-- migrate:up

-- That a journey keeps the temperature is claimed only where somebody said so.
ALTER TABLE routes ADD COLUMN proven_box boolean NOT NULL DEFAULT FALSE;

-- migrate:down
ALTER TABLE routes DROP COLUMN proven_box;
