-- Timers and outbox of a transaction, in one round trip just before it commits, and its audit rows as
-- the last of it. The row lock on a key makes the order of its sequences the order of commits; keys
-- are locked in one order, and all of them before the heads of the audit. Timers come first, in a
-- statement of their own: one that is being fired is waited for, and whoever fires it needs the keys.
CREATE OR REPLACE FUNCTION write_buffers(the_batch jsonb, the_bodies bytea[], the_source text)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO timers (timer_id, kind, subject, due_at)
    SELECT x.timer_id, x.kind, x.subject, x.due_at
    FROM jsonb_to_recordset(the_batch -> 'timers') AS x (
        timer_id text, kind text, subject text, due_at timestamptz
    )
    ORDER BY x.timer_id
    ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at;
    WITH incoming AS (
        SELECT *, row_number() OVER (PARTITION BY key ORDER BY ord) AS nth
        FROM ROWS FROM (
            jsonb_to_recordset(the_batch -> 'events') AS (
                shard smallint, topic text, key text, event_type text, subject text, caused_by text,
                traceparent text, station_id text, hospital_id text, made_at timestamptz
            ),
            unnest(the_bodies)
        ) WITH ORDINALITY AS x (
            shard, topic, key, event_type, subject, caused_by, traceparent, station_id, hospital_id,
            made_at, body, ord
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
        shard, topic, key, sequence, event_id, event_type, source, subject, caused_by, traceparent,
        station_id, hospital_id, body, made_at
    )
    SELECT
        i.shard, i.topic, i.key, numbered.sequence, i.key || '/' || numbered.sequence, i.event_type,
        the_source, i.subject, i.caused_by, i.traceparent, i.station_id, i.hospital_id, i.body, i.made_at
    FROM incoming AS i
    INNER JOIN counted USING (key)
    INNER JOIN sized USING (key)
    CROSS JOIN LATERAL (SELECT counted.sequence - sized.events + i.nth AS sequence) AS numbered
    ORDER BY i.ord;
    PERFORM append_audit(the_batch -> 'audit');
END
$$;

-- Takes records in, writes what was decided on them and what follows from it: a whole transaction in
-- one round trip. It holds only if every record is new, every request stands as it was read and every
-- unit is still free; otherwise nothing of it happened, and the caller looks before it decides again.
CREATE OR REPLACE FUNCTION settle(
    the_reader text, the_batch jsonb, the_bodies bytea[], the_source text, the_instant timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    taken bigint;
    written record;
BEGIN
    INSERT INTO inbox (source, event_id, reader, digest, topic, partition, log_offset, taken_at)
    SELECT
        x.source, x.event_id, the_reader, x.digest, x.topic, x.partition, x.log_offset, the_instant
    FROM jsonb_to_recordset(the_batch -> 'records') AS x (
        source text, event_id text, digest text, topic text, partition int, log_offset bigint
    )
    ORDER BY x.source, x.event_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken <> jsonb_array_length(the_batch -> 'records') THEN
        RAISE EXCEPTION 'a record was taken in before' USING ERRCODE = 'XL001';
    END IF;
    SELECT * INTO written FROM write_rulings(the_batch, the_instant);
    IF
        written.requests <> jsonb_array_length(the_batch -> 'requests')
        OR written.units <> jsonb_array_length(the_batch -> 'promises')
    THEN
        RAISE EXCEPTION 'a request or a unit changed meanwhile' USING ERRCODE = 'XL001';
    END IF;
    PERFORM write_buffers(the_batch, the_bodies, the_source);
END
$$;
