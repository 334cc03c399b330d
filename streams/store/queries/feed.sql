-- name: list_feed
-- Everything committed since a position, in an order that never grows behind a reader: up to the
-- oldest transaction that is still running. A topic is seen whole (`open_topics`) or only as far as
-- it is the viewer's own.
-- The position is given as text, under a name of its own: `tx` below is the number and not its digits.
SELECT
    tx::text AS position_tx, row_id, topic, key, sequence, event_id, event_type, source, subject, caused_by,
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

-- name: find_feed_standing^
-- How a position stands to what is kept. It is ahead if no transaction has got that far; unknown if
-- its row is neither there nor among those that were deleted: the database is not the one it came
-- from. A position of no row (0) is that of an end.
SELECT
    (:tx::text::xid8, :row_id::bigint) < (f.tx, f.row_id) AS is_before_floor,
    :tx::text::xid8 > pg_snapshot_xmax(pg_current_snapshot())
    OR (
        :row_id::bigint > 0
        AND (:tx::text::xid8, :row_id::bigint) > (f.tx, f.row_id)
        AND NOT EXISTS (
            SELECT 1 FROM outbox AS o WHERE o.row_id = :row_id::bigint AND o.tx = :tx::text::xid8
        )
    ) AS is_unknown,
    f.tx::text AS floor_tx,
    f.row_id AS floor_row,
    pg_snapshot_xmin(pg_current_snapshot())::text AS end_tx
FROM feed_floor AS f;

-- name: find_feed_end$
SELECT pg_snapshot_xmin(pg_current_snapshot())::text;
