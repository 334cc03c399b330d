-- name: hold_lanes
-- One relay at a time per lane; taken in ascending order, given back when the transaction ends.
-- A mark that is lost with a crash of the server costs a second delivery, not a record, so this
-- transaction need not wait for the disk.
SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(:space::int, lane)
FROM unnest(:lanes::int[]) AS lane ORDER BY lane;

-- name: list_unpublished
SELECT
    row_id, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
    body, made_at
FROM outbox
WHERE lane = ANY(:lanes::smallint[]) AND published_at IS NULL
ORDER BY row_id
LIMIT :limit;

-- name: mark_published!
UPDATE outbox SET published_at = :now WHERE row_id = ANY(:row_ids::bigint[]);

-- name: list_pending_lanes
SELECT DISTINCT lane FROM outbox WHERE published_at IS NULL;
