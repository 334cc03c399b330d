-- name: list_stations
SELECT body FROM stations ORDER BY station_id;

-- name: list_hospitals
SELECT body FROM hospitals ORDER BY hospital_id;

-- name: list_routes
SELECT from_id, to_id, eta_s, proven_box FROM routes;

-- name: find_version$
SELECT version FROM directory_version;

-- name: list_registered_stations
SELECT body, version, changed_by FROM stations
WHERE :station_id::text IS NULL OR station_id = :station_id::text
ORDER BY station_id;

-- name: list_registered_hospitals
SELECT body, version, changed_by FROM hospitals
WHERE :hospital_id::text IS NULL OR hospital_id = :hospital_id::text
ORDER BY hospital_id;

-- name: put_station^
-- No row if the record is not of the version that the change is based on; 0 for none.
-- A change of a record that is not there is none either: what it was made from is gone.
INSERT INTO stations (station_id, body, changed_by)
SELECT :station_id::text, :body::jsonb, :changed_by::text
WHERE coalesce(:based_on::int, 0) = 0 OR EXISTS (SELECT FROM stations WHERE station_id = :station_id::text)
ON CONFLICT (station_id) DO UPDATE SET
    body = excluded.body, version = stations.version + 1, changed_by = excluded.changed_by
WHERE coalesce(stations.version = :based_on::int, true)
RETURNING new.version, old.body AS body_before;

-- name: put_hospital^
INSERT INTO hospitals (hospital_id, station_id, body, changed_by)
SELECT :hospital_id::text, :station_id::text, :body::jsonb, :changed_by::text
WHERE coalesce(:based_on::int, 0) = 0 OR EXISTS (SELECT FROM hospitals WHERE hospital_id = :hospital_id::text)
ON CONFLICT (hospital_id) DO UPDATE SET
    station_id = excluded.station_id,
    body = excluded.body,
    version = hospitals.version + 1,
    changed_by = excluded.changed_by
WHERE coalesce(hospitals.version = :based_on::int, true)
RETURNING new.version, old.body AS body_before;

-- name: find_station_spelling$
SELECT station_id FROM stations WHERE lower(station_id) = lower(:facility_id::text) ORDER BY 1 LIMIT 1;

-- name: find_hospital_spelling$
SELECT hospital_id FROM hospitals WHERE lower(hospital_id) = lower(:facility_id::text) ORDER BY 1 LIMIT 1;

-- name: put_routes
-- Comes back: those that are new or take another time now. What is not said of the box stays.
WITH told AS (
    SELECT * FROM unnest(:from_ids::text[], :to_ids::text[], :etas::int[], :proven::boolean[])
    AS t (from_id, to_id, eta_s, proven_box)
)
INSERT INTO routes (from_id, to_id, eta_s, proven_box)
SELECT t.from_id, t.to_id, t.eta_s, coalesce(t.proven_box, r.proven_box, FALSE)
FROM told AS t
LEFT JOIN routes AS r ON r.from_id = t.from_id AND r.to_id = t.to_id
ON CONFLICT (from_id, to_id) DO UPDATE
SET eta_s = excluded.eta_s, proven_box = excluded.proven_box
WHERE (routes.eta_s, routes.proven_box) <> (excluded.eta_s, excluded.proven_box)
RETURNING
    new.from_id, new.to_id, new.eta_s, old.eta_s AS eta_s_before, new.proven_box,
    old.proven_box AS proven_before;
