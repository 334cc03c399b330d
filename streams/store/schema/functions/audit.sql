-- A text with its length in bytes before it: no two lists of fields give the same bytes.
CREATE OR REPLACE FUNCTION audit_field(the_value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(octet_length(the_value)::text || ':' || the_value, '-')
$$;

CREATE OR REPLACE FUNCTION audit_content(
    chain text, sequence bigint, audit_id bigint, subject_kind text, subject text, station_id text,
    from_state text, to_state text, why text, actor text, caused_by text, at timestamptz
) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT convert_to(
        audit_field('xuelian-audit-1') || audit_field(chain) || audit_field(sequence::text)
        || audit_field(audit_id::text) || audit_field(subject_kind) || audit_field(subject)
        || audit_field(station_id) || audit_field(from_state) || audit_field(to_state)
        || audit_field(why) || audit_field(actor) || audit_field(caused_by)
        || audit_field(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')),
        'UTF8'
    )
$$;

-- Whoever may alter the table can take these guards away; the chain is what tells.
CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit is only ever added to', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'XL002';
END
$$;

-- The one place that writes the audit: links rows to the chains of their stations. Call it as the last
-- statement of a transaction, after the locks on `outbox_keys`: heads are locked in the order of their
-- chains, so that two transactions cannot wait for each other, and held only until the commit.
CREATE OR REPLACE FUNCTION append_audit(the_rows jsonb) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    line record;
    the_chain text;
    the_sequence bigint;
    before bytea;
    after bytea;
    linked audit%ROWTYPE;
    links audit[] := '{}';
BEGIN
    FOR line IN
        -- Numbered in the order in which things happened, written chain by chain. One row at a time:
        -- each hash needs the one before it, and for the three rows of a decision a loop takes half of
        -- the time of one statement with a window.
        WITH incoming AS MATERIALIZED (
            SELECT
                nextval('audit_audit_id_seq') AS audit_id,
                coalesce(x.station_id, '_system') AS chain,
                x.*
            FROM jsonb_to_recordset(the_rows) AS x (
                subject_kind text, subject text, station_id text, from_state text, to_state text,
                why text, actor text, caused_by text, at timestamptz
            )
        )
        SELECT * FROM incoming ORDER BY chain, audit_id
    LOOP
        IF the_chain IS DISTINCT FROM line.chain THEN
            -- Of the chain before this one, if there was any.
            UPDATE audit_heads SET sequence = the_sequence, hash = after WHERE chain = the_chain;
            the_chain := line.chain;
            SELECT sequence, hash INTO the_sequence, after
            FROM audit_heads WHERE chain = the_chain FOR UPDATE;
            IF NOT FOUND THEN
                INSERT INTO audit_heads AS h (chain, sequence, hash)
                VALUES (the_chain, 0, decode(repeat('00', 32), 'hex'))
                ON CONFLICT (chain) DO UPDATE SET sequence = h.sequence
                RETURNING sequence, hash INTO the_sequence, after;
            END IF;
        END IF;
        the_sequence := the_sequence + 1;
        before := after;
        after := sha256(before || audit_content(
            the_chain, the_sequence, line.audit_id, line.subject_kind, line.subject, line.station_id,
            line.from_state, line.to_state, line.why, line.actor, line.caused_by, line.at
        ));
        linked.audit_id := line.audit_id;
        linked.chain := the_chain;
        linked.sequence := the_sequence;
        linked.subject_kind := line.subject_kind;
        linked.subject := line.subject;
        linked.station_id := line.station_id;
        linked.from_state := line.from_state;
        linked.to_state := line.to_state;
        linked.why := line.why;
        linked.actor := line.actor;
        linked.caused_by := line.caused_by;
        linked.at := line.at;
        linked.previous_hash := before;
        linked.hash := after;
        links := links || linked;
    END LOOP;
    UPDATE audit_heads SET sequence = the_sequence, hash = after WHERE chain = the_chain;
    -- A count has thousands of rows: together they are written in two thirds of the time.
    INSERT INTO audit SELECT * FROM unnest(links);
END
$$;
