-- name: claim_outbox
SELECT
    row_id, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
    body, made_at
FROM claim_outbox(:space, :shards::int[], :limit);

-- name: mark_published!
CALL mark_published(:space, :shards::int[], :row_ids::bigint[], :now);

-- name: list_pending_shards
SELECT DISTINCT shard FROM outbox WHERE published_at IS NULL;
