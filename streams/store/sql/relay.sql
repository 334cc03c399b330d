-- name: claim_outbox
SELECT
    row_id, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
    body, made_at
FROM claim_outbox(:space, :lanes::int[], :limit);

-- name: mark_published!
UPDATE outbox SET published_at = :now WHERE row_id = ANY(:row_ids::bigint[]);

-- name: list_pending_lanes
SELECT DISTINCT lane FROM outbox WHERE published_at IS NULL;
