-- migrate:up

-- What is kept of a secret is its SHA-256 now. A hash of before cannot be turned into one without
-- the secret: such a key is revoked, is listed as such, and is made anew.
UPDATE api_keys SET revoked_at = now()
WHERE revoked_at IS NULL AND secret_hash NOT LIKE 'sha256$%';

ALTER TABLE api_keys ADD CONSTRAINT api_keys_hash_ck CHECK (
    revoked_at IS NOT NULL OR secret_hash ~ '^sha256\$[0-9a-f]{64}$'
);

-- migrate:down
ALTER TABLE api_keys DROP CONSTRAINT api_keys_hash_ck;
