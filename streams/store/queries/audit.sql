-- name: append_audit!
SELECT append_audit(:rows::jsonb);

-- name: seal_heads
-- A head that differs from what was sealed is sealed again whichever way it differs: what was
-- published stays published.
INSERT INTO audit_seals AS s (chain, sequence, hash, sealed_at)
SELECT h.chain, h.sequence, h.hash, :now::timestamptz
FROM audit_heads AS h
LEFT JOIN audit_seals AS sealed USING (chain)
WHERE
    sealed.chain IS NULL
    OR (sealed.sequence, sealed.hash) IS DISTINCT FROM (h.sequence, h.hash)
    OR sealed.sealed_at < :again_before::timestamptz
ORDER BY h.chain
ON CONFLICT (chain) DO UPDATE SET
    sequence = excluded.sequence, hash = excluded.hash, sealed_at = excluded.sealed_at
RETURNING chain, sequence, hash;

-- name: list_heads
SELECT chain, sequence, hash FROM audit_heads
WHERE :chain::text IS NULL OR chain = :chain::text
ORDER BY chain;

-- name: list_links
SELECT
    chain, sequence, audit_id, subject_kind, subject, station_id, from_state, to_state, why, actor,
    caused_by, at, previous_hash, hash
FROM audit
WHERE (:chain::text IS NULL OR chain = :chain::text) AND sequence >= :since::bigint
ORDER BY chain, sequence;

-- name: list_history
SELECT
    chain, sequence, audit_id, subject_kind, subject, station_id, from_state, to_state, why, actor,
    caused_by, at, previous_hash, hash
FROM audit
WHERE subject = :subject::text
ORDER BY audit_id
LIMIT :limit;
