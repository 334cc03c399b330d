-- migrate:up

-- One spelling of a name ------------------------------------------------------------------------------
-- Two dispatchers who register `HQ1` and `hq1` at the same moment get one of them refused. Names that
-- stand twice already stay: blood may be promised to either, and only people can tell which is meant.
ALTER TABLE stations ADD COLUMN spelled_twice boolean NOT NULL DEFAULT false;
ALTER TABLE hospitals ADD COLUMN spelled_twice boolean NOT NULL DEFAULT false;

UPDATE stations AS s SET spelled_twice = true
WHERE EXISTS (
    SELECT FROM stations AS o
    WHERE lower(o.station_id) = lower(s.station_id) AND o.station_id <> s.station_id
);
UPDATE hospitals AS h SET spelled_twice = true
WHERE EXISTS (
    SELECT FROM hospitals AS o
    WHERE lower(o.hospital_id) = lower(h.hospital_id) AND o.hospital_id <> h.hospital_id
);

CREATE UNIQUE INDEX stations_spelling_uq ON stations (lower(station_id)) WHERE NOT spelled_twice;
CREATE UNIQUE INDEX hospitals_spelling_uq ON hospitals (lower(hospital_id)) WHERE NOT spelled_twice;

-- Numbers that are possible ---------------------------------------------------------------------------
-- A station's record has bounds now. What was taken in before is brought within them, so that the
-- directory stays readable; nothing that was meant lies outside.
UPDATE stations SET body = jsonb_set(body, '{daily_demand}', (
    SELECT jsonb_object_agg(key, least(greatest(value::numeric, 0), 100000))
    FROM jsonb_each_text(body -> 'daily_demand')
))
WHERE EXISTS (
    SELECT FROM jsonb_each_text(body -> 'daily_demand')
    WHERE value::numeric NOT BETWEEN 0 AND 100000
);
UPDATE stations SET body = jsonb_set(body, '{policy,activation_radius_km}', '20100')
WHERE (body #>> '{policy,activation_radius_km}')::numeric > 20100;
UPDATE stations SET body = jsonb_set(body, '{policy,no_show_grace_s}', '604800')
WHERE (body #>> '{policy,no_show_grace_s}')::numeric > 604800;
UPDATE stations SET body = jsonb_set(body, '{policy,thresholds,yellow_below_d}', '365')
WHERE (body #>> '{policy,thresholds,yellow_below_d}')::numeric > 365;
UPDATE stations SET body = jsonb_set(body, '{policy,thresholds,orange_below_d}', '365')
WHERE (body #>> '{policy,thresholds,orange_below_d}')::numeric > 365;
UPDATE stations SET body = jsonb_set(body, '{policy,thresholds,red_below_d}', '365')
WHERE (body #>> '{policy,thresholds,red_below_d}')::numeric > 365;

-- migrate:down

DROP INDEX stations_spelling_uq;
DROP INDEX hospitals_spelling_uq;
ALTER TABLE stations DROP COLUMN spelled_twice;
ALTER TABLE hospitals DROP COLUMN spelled_twice;
