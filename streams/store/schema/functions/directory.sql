CREATE OR REPLACE FUNCTION count_directory_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('xuelian.directory', 0));
    UPDATE directory_version SET version = version + 1;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION ensure_directory(the_version bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF the_version IS NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('xuelian.directory', 0));
    IF (SELECT version FROM directory_version) <> the_version THEN
        RAISE EXCEPTION 'the directory changed meanwhile' USING ERRCODE = 'XL001';
    END IF;
END
$$;
