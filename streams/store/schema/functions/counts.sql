-- Statuses in which a unit lies at its station: what a count must find there. The same ones in which
-- it can expire there: models/unit_life.py, EXPIRING_STATES.
CREATE OR REPLACE FUNCTION is_on_shelf(the_status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN the_status IN (
    'collected', 'quarantined', 'available', 'on_hold', 'reserved', 'picked', 'returned'
);

-- A unit as our record has it, for the report of a difference.
CREATE OR REPLACE FUNCTION describe_unit(the_unit units) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object(
    'station_id', the_unit.station_id, 'status', the_unit.status,
    'donation_id', the_unit.donation_id, 'component', the_unit.component,
    'group', the_unit.blood_group, 'volume_ml', the_unit.volume_ml,
    'collected_at', the_unit.collected_at, 'expires_at', the_unit.expires_at,
    'traits', the_unit.traits
);

-- Traits as units keep them: only what a unit has.
CREATE OR REPLACE FUNCTION told_traits(the_traits jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT coalesce(jsonb_object_agg(t.key, t.value), '{}')
    FROM jsonb_each(the_traits) AS t
    WHERE t.value NOT IN ('false', '[]', 'null') OR t.key = 'agitated' AND t.value = 'false'
);

-- Whether our record of a unit changed after an instant.
CREATE OR REPLACE FUNCTION is_changed_since(the_unit_id text, the_counted_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT 1 FROM audit AS a
    WHERE a.subject = the_unit_id AND a.subject_kind = 'unit' AND a.at > the_counted_at
);

CREATE OR REPLACE FUNCTION compare_count(
    the_station text, the_counted_at timestamptz, the_units jsonb
) RETURNS SETOF judged_unit LANGUAGE sql STABLE AS $$
    WITH sent AS MATERIALIZED (
        SELECT
            r.released AND r.counted_as = 'on_shelf' AS released, r.counted_as,
            r.counted_as IN ('on_shelf', 'collected', 'returned') AS is_counted_here, x.*
        FROM jsonb_to_recordset(the_units) AS r (unit jsonb, released boolean, counted_as text)
        CROSS JOIN LATERAL jsonb_to_record(r.unit) AS x (
            unit_id text, donation_id text, component text, "group" text, volume_ml integer,
            collected_at timestamptz, expires_at timestamptz, traits jsonb
        )
    ),
    -- Few combinations of traits stand in many units: each is put into its short form once.
    short AS MATERIALIZED (
        SELECT d.traits, told_traits(d.traits) AS told
        FROM (SELECT DISTINCT traits FROM sent) AS d
    ),
    compared AS (
        SELECT
            c.*, t.told, u.unit_id IS NOT NULL AS is_known, u.station_id, u.status,
            u.usable_until AS known_until,
            is_on_shelf(u.status) AS is_here,
            CASE WHEN u.unit_id IS NOT NULL THEN array_remove(ARRAY[
                CASE WHEN u.donation_id <> c.donation_id THEN 'donation_id' END,
                CASE WHEN u.component <> c.component THEN 'component' END,
                CASE WHEN u.blood_group <> c."group" THEN 'group' END,
                CASE WHEN u.volume_ml <> c.volume_ml THEN 'volume_ml' END,
                -- A label with a day and one with a minute say the same.
                CASE WHEN u.collected_at NOT BETWEEN c.collected_at - interval '1 day'
                    AND c.collected_at + interval '1 day' THEN 'collected_at' END,
                CASE WHEN u.expires_at NOT BETWEEN c.expires_at - interval '1 minute'
                    AND c.expires_at + interval '1 minute' THEN 'expires_at' END,
                -- A count without a column for a trait does not deny it.
                CASE WHEN NOT u.traits @> t.told THEN 'traits' END
            ], NULL) ELSE '{}' END AS unlike
        FROM sent AS c
        INNER JOIN short AS t ON t.traits = c.traits
        LEFT JOIN units AS u ON u.unit_id = c.unit_id
    ),
    judged AS (
        SELECT
            c.*,
            CASE
                WHEN NOT c.is_known THEN CASE WHEN c.is_counted_here THEN 'new' ELSE 'gone' END
                WHEN NOT c.is_counted_here THEN CASE
                    WHEN NOT c.is_here OR c.station_id <> the_station THEN 'gone'
                    WHEN c.counted_as = 'expired' AND c.known_until <= the_counted_at THEN 'gone'
                    WHEN is_changed_since(c.unit_id, the_counted_at) THEN 'changed_since'
                    ELSE 'status'
                END
                WHEN c.unlike <> '{}' THEN 'differs'
                WHEN c.is_here AND c.station_id = the_station
                    AND CASE c.counted_as
                        WHEN 'returned' THEN c.status = 'returned'
                        ELSE (c.status IN ('collected', 'quarantined')) <> c.released
                    END THEN 'confirmed'
                WHEN is_changed_since(c.unit_id, the_counted_at) THEN 'changed_since'
                WHEN c.is_here AND c.station_id <> the_station THEN 'moved'
                ELSE 'status'
            END AS outcome
        FROM compared AS c
    )
    SELECT
        j.unit_id, j.donation_id, j.component, j."group", j.volume_ml, j.collected_at,
        j.expires_at, j.told, j.released, j.counted_as, j.outcome, j.status,
        CASE WHEN j.outcome = 'differs' THEN j.unlike ELSE '{}' END,
        CASE WHEN j.outcome IN ('differs', 'moved', 'status') THEN (
            SELECT describe_unit(u) FROM units AS u WHERE u.unit_id = j.unit_id
        ) END
    FROM judged AS j
$$;

-- What a full count did not name. A unit that came onto the shelf after the count was taken is not
-- missing; one that was issued since is not on the shelf any more.
CREATE OR REPLACE FUNCTION find_missing(the_station text, the_counted_at timestamptz, the_named text[])
RETURNS SETOF units LANGUAGE sql STABLE AS $$
    SELECT u.*
    FROM units AS u
    LEFT JOIN (SELECT unnest(the_named) AS unit_id) AS n ON n.unit_id = u.unit_id
    WHERE
        u.station_id = the_station
        AND is_on_shelf(u.status)
        AND u.usable_until > the_counted_at
        AND n.unit_id IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM audit AS a
            WHERE
                a.subject = u.unit_id AND a.subject_kind = 'unit' AND a.at > the_counted_at
                AND NOT is_on_shelf(a.from_state)
        )
    ORDER BY u.unit_id
$$;

-- Compares one part of a count: known units are confirmed, what contradicts our record becomes an
-- open difference, and the unknown ones are told, to enter by the same way as every other unit. No
-- rows come back for a part that was taken in before.
CREATE OR REPLACE FUNCTION take_count(
    the_count jsonb, the_units jsonb, the_instant timestamptz
) RETURNS TABLE (outcome text, units bigint, new_ids text[], collected_ids text[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    the_id text := the_count ->> 'count_id';
    the_station text := the_count ->> 'station_id';
    the_unit_ids text[];
BEGIN
    INSERT INTO reconciliations (count_id, station_id, counted_at, is_full, parts, units, begun_at)
    VALUES (
        the_id, the_station, (the_count ->> 'counted_at')::timestamptz,
        (the_count ->> 'full')::boolean, (the_count ->> 'parts')::int,
        (the_count ->> 'units')::int, the_instant
    ) ON CONFLICT DO NOTHING;
    INSERT INTO reconciliation_parts (count_id, part_no, unit_ids)
    VALUES (the_id, (the_count ->> 'part_no')::int, '{}') ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    the_unit_ids := ARRAY(
        SELECT r.unit ->> 'unit_id' FROM jsonb_to_recordset(the_units) AS r (unit jsonb)
    );
    IF (the_count ->> 'full')::boolean THEN
        UPDATE reconciliation_parts SET unit_ids = the_unit_ids
        WHERE count_id = the_id AND part_no = (the_count ->> 'part_no')::int;
    END IF;
    UPDATE reconciliation_differences AS d
    SET resolution = 'later_count', closed_by = the_id, closed_at = the_instant
    WHERE
        d.station_id = the_station AND d.unit_id = ANY(the_unit_ids) AND d.closed_at IS NULL
        AND d.count_id <> the_id;
    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT * FROM compare_count(
            the_station, (the_count ->> 'counted_at')::timestamptz, the_units
        )
    ),
    noted AS (
        INSERT INTO reconciliation_differences (
            count_id, unit_id, station_id, kind, fields, counted, recorded, found_at
        )
        SELECT
            the_id, j.unit_id, the_station, j.outcome, j.fields,
            jsonb_build_object(
                'counted_as', j.counted_as, 'released', j.released, 'donation_id', j.donation_id,
                'component', j.component, 'group', j.blood_group, 'volume_ml', j.volume_ml,
                'collected_at', j.collected_at, 'expires_at', j.expires_at, 'traits', j.traits
            ),
            j.recorded, the_instant
        FROM judged AS j
        WHERE j.outcome IN ('differs', 'moved', 'status')
    ),
    seen AS (
        -- Whoever counts it has it: it did not leave unscanned.
        UPDATE units AS u SET doubted_at = NULL
        FROM judged AS j
        WHERE
            u.unit_id = j.unit_id AND j.outcome = 'confirmed'
            AND u.doubted_at <= (the_count ->> 'counted_at')::timestamptz
    )
    SELECT
        j.outcome || CASE WHEN j.outcome = 'new' AND NOT j.released THEN '_quarantined' ELSE '' END,
        count(*),
        coalesce(array_agg(j.unit_id) FILTER (WHERE j.outcome = 'new'), '{}'),
        coalesce(array_agg(j.unit_id) FILTER (
            WHERE j.outcome = 'confirmed' AND j.status = 'collected' AND j.counted_as = 'on_shelf'
        ), '{}')
    FROM judged AS j
    GROUP BY 1;
END
$$;

-- Ends a count of which all parts are there. Gives the units found missing.
CREATE OR REPLACE FUNCTION finish_count(the_id text, the_instant timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    the_row reconciliations%ROWTYPE;
    the_missing text[];
BEGIN
    UPDATE reconciliations SET taken_at = the_instant
    WHERE count_id = the_id AND taken_at IS NULL
    RETURNING * INTO the_row;
    IF the_row.is_full THEN
        SELECT array_agg(m.unit_id) INTO the_missing
        FROM find_missing(the_row.station_id, the_row.counted_at, (
            SELECT array_agg(named) FROM reconciliation_parts AS p, unnest(p.unit_ids) AS named
            WHERE p.count_id = the_id
        )) AS m;
        UPDATE reconciliation_differences AS d
        SET resolution = 'later_count', closed_by = the_id, closed_at = the_instant
        WHERE
            d.station_id = the_row.station_id AND d.unit_id = ANY(the_missing)
            AND d.closed_at IS NULL;
        INSERT INTO reconciliation_differences (
            count_id, unit_id, station_id, kind, counted, recorded, found_at
        )
        SELECT the_id, u.unit_id, the_row.station_id, 'missing', '{}', describe_unit(u), the_instant
        FROM units AS u
        WHERE u.unit_id = ANY(the_missing);
    END IF;
    UPDATE reconciliation_parts SET unit_ids = '{}' WHERE count_id = the_id AND unit_ids <> '{}';
    RETURN coalesce(cardinality(the_missing), 0);
END
$$;
