CREATE OR REPLACE FUNCTION claim_outbox(space integer, wanted integer[], most integer)
RETURNS SETOF outbox LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock(space, w) FROM (SELECT unnest(wanted) AS w ORDER BY 1) AS ordered;
    RETURN QUERY
    SELECT * FROM outbox AS o
    WHERE o.shard = ANY(wanted::smallint[]) AND o.published_at IS NULL
    ORDER BY o.row_id
    LIMIT most;
END
$$;

CREATE OR REPLACE FUNCTION raise_feed_floor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE feed_floor AS f
    SET tx = last.tx, row_id = last.row_id
    FROM (
        SELECT g.tx, g.row_id FROM gone AS g
        WHERE g.sequence IS NOT NULL ORDER BY g.tx DESC, g.row_id DESC LIMIT 1
    ) AS last
    WHERE (f.tx, f.row_id) < (last.tx, last.row_id);
    RETURN NULL;
END
$$;
