-- migrate:up
-- One noun for one thing: a part of the outbox is a shard, in the code as in the documents.
ALTER TABLE outbox RENAME COLUMN lane TO shard;

-- migrate:down
ALTER TABLE outbox RENAME COLUMN shard TO lane;
