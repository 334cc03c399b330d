-- name: add_key!
INSERT INTO api_keys (key_id, secret_hash, scope, facility_id, label, created_at)
VALUES (:key_id, :secret_hash, :scope, :facility_id, :label, :created_at)
ON CONFLICT (key_id) DO NOTHING;

-- name: find_key
SELECT key_id, secret_hash, scope, facility_id, label, created_at, revoked_at
FROM api_keys WHERE key_id = :key_id::text;

-- name: list_keys
SELECT key_id, secret_hash, scope, facility_id, label, created_at, revoked_at
FROM api_keys ORDER BY created_at, key_id;

-- name: revoke_key!
-- The first revocation counts.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, :revoked_at) WHERE key_id = :key_id::text;
