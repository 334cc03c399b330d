-- migrate:up

-- The feed ------------------------------------------------------------------------------------------
-- The last position that was deleted from the feed: whoever stands before it may have missed something
-- and is told so. One row. A trigger moves it, so that no way of deleting goes around it.
CREATE TABLE feed_floor (
    one boolean PRIMARY KEY DEFAULT true CONSTRAINT feed_floor_one_ck CHECK (one),
    tx xid8 NOT NULL,
    row_id bigint NOT NULL
);
-- What was deleted before this table: all that lies before the oldest row, if any row ever was.
INSERT INTO feed_floor (tx, row_id)
SELECT coalesce(oldest.tx, '0'::xid8), coalesce(oldest.row_id - 1, 0)
FROM (SELECT 1) AS always
LEFT JOIN LATERAL (
    SELECT o.tx, o.row_id FROM outbox AS o
    WHERE o.sequence IS NOT NULL ORDER BY o.tx, o.row_id LIMIT 1
) AS oldest ON true;

CREATE FUNCTION raise_feed_floor() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER outbox_feed_floor AFTER DELETE ON outbox
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION raise_feed_floor();

-- Dead letters --------------------------------------------------------------------------------------
-- Whether somebody's life hung on it, as far as the record itself says; what was kept before is not
-- looked through again.
ALTER TABLE dead_letters ADD COLUMN is_life_threatening boolean NOT NULL DEFAULT false;
-- Serves the list and the numbers of those that wait.
CREATE INDEX dead_letters_waiting_ix ON dead_letters (quarantined_at DESC) WHERE replayed_at IS NULL;

-- Overdue -------------------------------------------------------------------------------------------
-- What somebody should look after now, a row per request (or transfer) and mark:
-- waiting: blood is still missing; late: it cannot arrive in time any more, or the time has passed;
-- unacknowledged: it left, should have arrived, and nobody has said that it did.
CREATE FUNCTION list_overdue(the_instant timestamptz)
RETURNS TABLE (
    mark text, request_id text, transfer_id text, hospital_id text, station_id text,
    from_station_id text, priority text, needed_by timestamptz, since timestamptz,
    due_at timestamptz, units bigint
) LANGUAGE sql STABLE ROWS 100 AS $$
    WITH live AS (
        SELECT r.*, d.eta_s
        FROM requests AS r
        LEFT JOIN LATERAL (
            SELECT (x.body ->> 'eta_s')::double precision AS eta_s FROM decisions AS x
            WHERE x.request_id = r.request_id AND x.body ? 'eta_s'
            ORDER BY x.version DESC LIMIT 1
        ) AS d ON true
        WHERE r.status IN ('open', 'reserved', 'partly_refused')
    ),
    issued AS (
        SELECT
            p.request_id,
            (
                SELECT max(a.at) FROM audit AS a
                WHERE a.subject = p.unit_id AND a.subject_kind = 'unit' AND a.to_state = 'issued'
            ) AS issued_at,
            (
                SELECT (x.body ->> 'eta_s')::double precision FROM decisions AS x
                WHERE x.request_id = p.request_id AND x.body ? 'eta_s'
                ORDER BY x.version DESC LIMIT 1
            ) AS eta_s
        FROM promises AS p
        WHERE p.status = 'issued' AND p.request_id IS NOT NULL
    )
    SELECT
        'waiting', l.request_id, NULL, l.hospital_id, l.station_id, NULL, l.priority, l.needed_by,
        l.opened_at, l.needed_by, sum(x.uncovered)
    FROM live AS l
    INNER JOIN request_lines AS x ON x.request_id = l.request_id AND x.uncovered > 0
    GROUP BY l.request_id, l.hospital_id, l.station_id, l.priority, l.needed_by, l.opened_at
    UNION ALL
    SELECT
        'late', l.request_id, NULL, l.hospital_id, l.station_id, NULL, l.priority, l.needed_by,
        l.opened_at, l.needed_by,
        (
            SELECT coalesce(sum(x.uncovered), 0) FROM request_lines AS x
            WHERE x.request_id = l.request_id
        ) + (
            SELECT count(*) FROM promises AS p
            WHERE p.request_id = l.request_id AND p.status IN ('held', 'issued')
        )
    FROM live AS l
    WHERE
        l.needed_by < the_instant
        OR (
            l.needed_by < the_instant + make_interval(secs => coalesce(l.eta_s, 0))
            AND EXISTS (
                SELECT 1 FROM promises AS p WHERE p.request_id = l.request_id AND p.status = 'held'
            )
        )
    UNION ALL
    SELECT
        'unacknowledged', r.request_id, NULL, r.hospital_id, r.station_id, NULL, r.priority,
        r.needed_by, min(i.issued_at), min(i.issued_at + make_interval(secs => coalesce(i.eta_s, 0))),
        count(*)
    FROM issued AS i
    -- Whatever became of the request meanwhile: blood that left is somewhere.
    INNER JOIN requests AS r ON r.request_id = i.request_id
    WHERE i.issued_at + make_interval(secs => coalesce(i.eta_s, 0)) < the_instant
    GROUP BY r.request_id, r.hospital_id, r.station_id, r.priority, r.needed_by
    UNION ALL
    SELECT
        'unacknowledged', NULL, t.transfer_id, NULL, t.to_station_id, t.from_station_id, NULL, NULL,
        t.updated_at,
        t.updated_at + make_interval(secs => coalesce((t.body ->> 'eta_s')::double precision, 0)),
        (
            SELECT count(*) FROM promises AS p
            WHERE p.transfer_id = t.transfer_id AND p.status = 'issued'
        )
    FROM transfers AS t
    WHERE
        t.status = 'in_transit'
        AND t.updated_at
        + make_interval(secs => coalesce((t.body ->> 'eta_s')::double precision, 0)) < the_instant
$$;

-- migrate:down
DROP FUNCTION list_overdue;
DROP INDEX dead_letters_waiting_ix;
ALTER TABLE dead_letters DROP COLUMN is_life_threatening;
DROP TRIGGER outbox_feed_floor ON outbox;
DROP FUNCTION raise_feed_floor;
DROP TABLE feed_floor;
