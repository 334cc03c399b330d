-- name: list_dead_letters
SELECT
    dead_letter_id, topic, partition, log_offset, reader, key, body, headers, code, params,
    is_life_threatening, quarantined_at, replayed_at
FROM dead_letters
WHERE
    (:code::text IS NULL OR code = :code)
    AND (:topic::text IS NULL OR topic = :topic)
    AND (:with_replayed::boolean OR replayed_at IS NULL)
ORDER BY is_life_threatening DESC, quarantined_at DESC, dead_letter_id
LIMIT :limit;

-- name: count_dead_letters
SELECT count(*) FILTER (WHERE replayed_at IS NULL) AS waiting, count(*) AS kept FROM dead_letters;

-- name: find_dead_letter
SELECT
    dead_letter_id, topic, partition, log_offset, reader, key, body, headers, code, params,
    is_life_threatening, quarantined_at, replayed_at
FROM dead_letters WHERE dead_letter_id = :dead_letter_id::text;

-- name: release_claim!
-- Only the row that this very record made: another record with the same id keeps its own.
DELETE FROM inbox
WHERE
    reader = :reader::text AND source = :source::text AND event_id = :event_id::text
    AND digest = :digest AND topic = :topic AND partition = :partition AND log_offset = :log_offset;

-- name: mark_replayed!
UPDATE dead_letters SET replayed_at = :now WHERE dead_letter_id = :dead_letter_id::text;
