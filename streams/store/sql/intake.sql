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
    quarantined_at
) VALUES (
    :dead_letter_id, :topic, :partition, :log_offset, :reader, :key, :body, :headers, :code,
    :params, :now
) ON CONFLICT ON CONSTRAINT dead_letters_record_uq DO NOTHING;

-- name: claim_due_timer
DELETE FROM timers
WHERE timer_id = (
    SELECT timer_id FROM timers WHERE due_at <= :now
    ORDER BY due_at, timer_id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING kind, subject, due_at;

-- name: find_next_due_at$
SELECT min(due_at) FROM timers;

-- name: drop_timer!
DELETE FROM timers WHERE timer_id = :timer_id;

-- name: flush!
-- Timers, audit and outbox of a transaction, in one round trip just before it commits. The row lock
-- on a key makes the order of its sequences the order of commits; keys are locked in one order, so
-- that two transactions cannot wait for each other.
WITH timer_rows AS (
    INSERT INTO timers (timer_id, kind, subject, due_at)
    SELECT * FROM unnest(
        :timer_ids::text[], :timer_kinds::text[], :timer_subjects::text[],
        :timer_due_ats::timestamptz[]
    ) AS x (timer_id, kind, subject, due_at)
    ORDER BY timer_id
    ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at
),
audit_rows AS (
    INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
    SELECT * FROM unnest(
        :audit_kinds::text[], :audit_subjects::text[], :audit_stations::text[],
        :audit_froms::text[], :audit_tos::text[], :audit_whys::text[], :audit_causes::text[],
        :audit_ats::timestamptz[]
    )
),
incoming AS (
    SELECT *, row_number() OVER (PARTITION BY key ORDER BY ord) AS nth
    FROM unnest(
        :lanes::smallint[], :topics::text[], :keys::text[], :types::text[],
        :subjects::text[], :causes::text[], :traces::text[], :stations::text[], :hospitals::text[],
        :bodies::bytea[], :ats::timestamptz[]
    ) WITH ORDINALITY AS x (
        lane, topic, key, event_type, subject, caused_by, traceparent, station_id, hospital_id, body,
        made_at, ord
    )
),
counted AS (
    INSERT INTO outbox_keys AS k (key, sequence)
    SELECT key, count(*) FROM incoming GROUP BY key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET sequence = k.sequence + excluded.sequence
    RETURNING key, sequence
),
sized AS (
    SELECT key, count(*) AS events FROM incoming GROUP BY key
)
INSERT INTO outbox (
    lane, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
    station_id, hospital_id, body, made_at
)
SELECT
    i.lane, i.topic, i.key, numbered.sequence, i.key || '/' || numbered.sequence, i.event_type,
    :source::text, i.subject, i.caused_by, i.traceparent, i.station_id, i.hospital_id, i.body, i.made_at
FROM incoming AS i
INNER JOIN counted USING (key)
INNER JOIN sized USING (key)
CROSS JOIN LATERAL (SELECT counted.sequence - sized.events + i.nth AS sequence) AS numbered
ORDER BY i.ord;

-- name: append_dead_letter_event!
INSERT INTO outbox (
    lane, topic, key, event_id, event_type, source, subject, body, made_at
) VALUES (
    :lane, :topic, :key, :event_id, :event_type, :source, :subject, :body, :now
);
