-- migrate:up
-- A register is changed knowingly: each record has a version that a change is based on.
ALTER TABLE stations
ADD COLUMN version integer NOT NULL DEFAULT 1,
ADD COLUMN changed_by text NOT NULL DEFAULT '';
ALTER TABLE hospitals
ADD COLUMN version integer NOT NULL DEFAULT 1,
ADD COLUMN changed_by text NOT NULL DEFAULT '';

-- One number for the whole directory. Whoever decides holds the lock shared until the commit, and whoever
-- changes the directory holds it alone: what was confirmed holds for every decision after it.
CREATE TABLE directory_version (
    only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT directory_version_row_ck CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO directory_version (version) VALUES (1);

CREATE FUNCTION count_directory_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('xuelian.directory', 0));
    UPDATE directory_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER stations_counted AFTER INSERT OR UPDATE OR DELETE ON stations
FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();
CREATE TRIGGER hospitals_counted AFTER INSERT OR UPDATE OR DELETE ON hospitals
FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();
CREATE TRIGGER routes_counted AFTER INSERT OR UPDATE OR DELETE ON routes
FOR EACH STATEMENT EXECUTE FUNCTION count_directory_change();

CREATE FUNCTION ensure_directory(the_version bigint) RETURNS void LANGUAGE plpgsql AS $$
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

-- migrate:down
DROP FUNCTION ensure_directory;
DROP TRIGGER routes_counted ON routes;
DROP TRIGGER hospitals_counted ON hospitals;
DROP TRIGGER stations_counted ON stations;
DROP FUNCTION count_directory_change;
DROP TABLE directory_version;
ALTER TABLE hospitals DROP COLUMN changed_by, DROP COLUMN version;
ALTER TABLE stations DROP COLUMN changed_by, DROP COLUMN version;
