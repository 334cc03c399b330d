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

CREATE OR REPLACE PROCEDURE mark_published(IN space integer, IN held integer[], IN row_ids bigint[], IN the_instant timestamp with time zone)
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE outbox SET published_at = the_instant WHERE row_id = ANY(row_ids);
    COMMIT;
    PERFORM pg_advisory_unlock(space, shard) FROM unnest(held) AS shard;
END
$$;
