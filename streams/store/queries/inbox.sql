-- name: claim_inbox
-- One row per record, in order: taken now, known before (with its digest), or neither: another
-- transaction is taking it in at this moment.
WITH incoming AS (
    SELECT * FROM unnest(
        :sources::text[], :event_ids::text[], :digests::text[], :topics::text[],
        :partitions::int[], :offsets::bigint[]
    ) WITH ORDINALITY AS x (source, event_id, digest, topic, partition, log_offset, ord)
),
taken AS (
    INSERT INTO inbox (source, event_id, reader, digest, topic, partition, log_offset, taken_at)
    SELECT DISTINCT ON (source, event_id)
        source, event_id, :reader::text, digest, topic, partition, log_offset, :now::timestamptz
    FROM incoming
    ORDER BY source, event_id, ord
    ON CONFLICT DO NOTHING
    RETURNING source, event_id, digest
)
SELECT
    taken.digest AS taken_digest,
    known.digest AS known_digest
FROM incoming
LEFT JOIN taken USING (source, event_id)
LEFT JOIN inbox AS known
    ON known.reader = :reader::text
    AND known.source = incoming.source
    AND known.event_id = incoming.event_id
ORDER BY incoming.ord;

-- name: trim_inbox!
DELETE FROM inbox WHERE taken_at < :taken_before;

-- name: trim_outbox!
DELETE FROM outbox WHERE published_at < :published_before;

-- name: add_dead_letter!
INSERT INTO dead_letters (
    dead_letter_id, topic, partition, log_offset, reader, key, body, headers, code, params,
    is_life_threatening, quarantined_at
) VALUES (
    :dead_letter_id, :topic, :partition, :log_offset, :reader, :key, :body, :headers, :code,
    :params, :is_life_threatening, :now
) ON CONFLICT ON CONSTRAINT dead_letters_record_uq DO NOTHING;

-- name: claim_due_timer
DELETE FROM timers
WHERE timer_id = (
    SELECT timer_id FROM timers
    WHERE
        due_at <= :now
        AND timer_id <> ALL(:besides::text[])
        AND (:only::text IS NULL OR timer_id = :only::text)
    ORDER BY due_at, timer_id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING kind, subject, due_at;

-- name: drop_due_timers!
-- Those of one station that are due; one that another transaction sets at this moment stays.
DELETE FROM timers
WHERE timer_id IN (
    SELECT timer_id FROM timers
    WHERE
        kind = :kind AND due_at <= :now
        AND (subject = :station_id OR starts_with(subject, :station_id || '@'))
    FOR UPDATE SKIP LOCKED
);

-- name: find_next_due_at$
SELECT min(due_at) FROM timers;

-- name: put_off_timer!
UPDATE timers SET due_at = greatest(due_at, :until) WHERE timer_id = :timer_id;

-- name: drop_timer!
DELETE FROM timers WHERE timer_id = :timer_id;

-- name: write_buffers!
SELECT write_buffers(:batch::jsonb, :bodies::bytea[], :source::text);

-- name: settle!
SELECT settle(:reader::text, :batch::jsonb, :bodies::bytea[], :source::text, :now::timestamptz)
FROM ensure_directory(:directory::bigint);

-- name: append_dead_letter_event!
INSERT INTO outbox (
    shard, topic, key, event_id, event_type, source, subject, body, made_at
) VALUES (
    :shard, :topic, :key, :event_id, :event_type, :source, :subject, :body, :now
);
