-- name: lock_transfer^
SELECT body, status FROM transfers WHERE transfer_id = :transfer_id FOR UPDATE;

-- name: write_transfer!
INSERT INTO transfers (
    transfer_id, offer_id, from_station_id, to_station_id, status, body, agreed_at, updated_at
) VALUES (
    :transfer_id, :offer_id, :from_station_id, :to_station_id, :status, :body, :agreed_at, :now
) ON CONFLICT (transfer_id) DO UPDATE SET
    status = excluded.status, body = excluded.body, updated_at = excluded.updated_at;

-- name: count_promises
SELECT status, count(*) AS units FROM promises WHERE transfer_id = :transfer_id GROUP BY status;
