-- name: list_stations
SELECT body FROM stations ORDER BY station_id;

-- name: list_hospitals
SELECT body FROM hospitals ORDER BY hospital_id;

-- name: list_routes
SELECT from_id, to_id, eta_s FROM routes;

-- name: put_station!
INSERT INTO stations (station_id, body) VALUES (:station_id, :body)
ON CONFLICT (station_id) DO UPDATE SET body = excluded.body;

-- name: put_hospital!
INSERT INTO hospitals (hospital_id, station_id, body) VALUES (:hospital_id, :station_id, :body)
ON CONFLICT (hospital_id) DO UPDATE SET station_id = excluded.station_id, body = excluded.body;

-- name: put_routes!
INSERT INTO routes (from_id, to_id, eta_s)
SELECT * FROM unnest(:from_ids::text[], :to_ids::text[], :etas::int[])
ON CONFLICT (from_id, to_id) DO UPDATE SET eta_s = excluded.eta_s;
