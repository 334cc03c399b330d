-- migrate:up

-- Whoever telephones a donor says what for: null for calls that were made before it was kept.
ALTER TABLE call_outs ADD COLUMN purpose text;
ALTER TABLE call_outs ADD CONSTRAINT call_outs_purpose_ck
CHECK (purpose IN ('in_time', 'refill', 'late'));

-- migrate:down
ALTER TABLE call_outs DROP COLUMN purpose;
