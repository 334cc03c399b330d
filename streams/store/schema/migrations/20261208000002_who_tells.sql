-- migrate:up
-- Who told of an alert: a disaster is revised and ended by the feed that told of it, or by a dispatcher.
ALTER TABLE alerts ADD COLUMN told_by text NOT NULL DEFAULT '';

-- migrate:down
ALTER TABLE alerts DROP COLUMN told_by;
