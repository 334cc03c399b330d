-- Overdue -------------------------------------------------------------------------------------------
-- What somebody should look after now, a row per request (or transfer) and mark:
-- waiting: blood is still missing; late: it cannot arrive in time any more, or the time has passed;
-- unacknowledged: it left, should have arrived, and nobody has said that it did;
-- may_have_left: its hold lapsed when it should have left, and nobody has scanned or counted it since.
-- units are ordering units that nobody has promised yet; bags are promised, on their way, or doubted.
CREATE OR REPLACE FUNCTION list_overdue(the_instant timestamptz)
RETURNS TABLE (
    mark text, request_id text, transfer_id text, hospital_id text, station_id text,
    from_station_id text, priority text, needed_by timestamptz, since timestamptz,
    due_at timestamptz, units bigint, bags bigint
) LANGUAGE sql STABLE ROWS 100 AS $$
    WITH live AS (
        SELECT r.*, d.eta_s
        FROM requests AS r
        LEFT JOIN LATERAL (
            SELECT x.eta_s FROM decisions AS x
            WHERE x.request_id = r.request_id AND x.eta_s IS NOT NULL
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
                SELECT x.eta_s FROM decisions AS x
                WHERE x.request_id = p.request_id AND x.eta_s IS NOT NULL
                ORDER BY x.version DESC LIMIT 1
            ) AS eta_s
        FROM promises AS p
        WHERE p.status = 'issued' AND p.request_id IS NOT NULL
    )
    SELECT
        'waiting', l.request_id, NULL, l.hospital_id, l.station_id, NULL, l.priority, l.needed_by,
        l.opened_at, l.needed_by, sum(x.uncovered_units), 0
    FROM live AS l
    INNER JOIN request_lines AS x ON x.request_id = l.request_id AND x.uncovered > 0
    GROUP BY l.request_id, l.hospital_id, l.station_id, l.priority, l.needed_by, l.opened_at
    UNION ALL
    SELECT
        'late', l.request_id, NULL, l.hospital_id, l.station_id, NULL, l.priority, l.needed_by,
        l.opened_at, l.needed_by,
        (
            SELECT coalesce(sum(x.uncovered_units), 0) FROM request_lines AS x
            WHERE x.request_id = l.request_id
        ),
        (
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
        0, count(*)
    FROM issued AS i
    -- Whatever became of the request meanwhile: blood that left is somewhere.
    INNER JOIN requests AS r ON r.request_id = i.request_id
    WHERE i.issued_at + make_interval(secs => coalesce(i.eta_s, 0)) < the_instant
    GROUP BY r.request_id, r.hospital_id, r.station_id, r.priority, r.needed_by
    UNION ALL
    SELECT
        'unacknowledged', NULL, t.transfer_id, NULL, t.to_station_id, t.from_station_id, NULL, NULL,
        t.updated_at,
        t.updated_at + make_interval(secs => t.eta_s),
        0,
        (
            SELECT count(*) FROM promises AS p
            WHERE p.transfer_id = t.transfer_id AND p.status = 'issued'
        )
    FROM transfers AS t
    WHERE
        t.status = 'in_transit'
        AND t.updated_at
        + make_interval(secs => t.eta_s) < the_instant
    UNION ALL
    SELECT
        'may_have_left', r.request_id, NULL, r.hospital_id, u.station_id, NULL, r.priority,
        r.needed_by, u.doubted_at, u.doubted_at, 0, count(*)
    FROM units AS u
    -- The request whose hold lapsed, whoever has the unit now.
    INNER JOIN promises AS p ON p.unit_id = u.unit_id AND p.ended_at = u.doubted_at
    INNER JOIN requests AS r ON r.request_id = p.request_id
    WHERE u.doubted_at IS NOT NULL AND u.status IN ('available', 'reserved')
    GROUP BY
        r.request_id, r.hospital_id, u.station_id, r.priority, r.needed_by, u.doubted_at
$$;
