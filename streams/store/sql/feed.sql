-- name: list_feed
-- Everything committed since a position, in an order that never grows behind a reader: up to the
-- oldest transaction that is still running. A topic is seen whole (`open_topics`) or only as far as
-- it is the viewer's own.
SELECT
    tx::text AS tx, row_id, topic, key, sequence, event_id, event_type, source, subject, caused_by,
    station_id, hospital_id, body, made_at
FROM outbox
WHERE
    (tx, row_id) > (:after_tx::text::xid8, :after_row::bigint)
    AND tx < pg_snapshot_xmin(pg_current_snapshot())
    AND sequence IS NOT NULL
    AND topic = ANY(:topics::text[])
    AND (
        topic = ANY(:open_topics::text[])
        OR station_id = :station_id::text
        OR hospital_id = :hospital_id::text
    )
ORDER BY tx, row_id
LIMIT :limit;

-- name: find_feed_end$
SELECT pg_snapshot_xmin(pg_current_snapshot())::text;
