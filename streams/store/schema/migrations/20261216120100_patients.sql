-- migrate:up

-- What is remembered of each hospital's patients, by the hospital's own pseudonym in small letters.
CREATE TABLE patients (
    hospital_id identifier NOT NULL,
    reference_key text NOT NULL,
    version integer NOT NULL,
    body jsonb NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT patients_pkey PRIMARY KEY (hospital_id, reference_key),
    CONSTRAINT patients_version_ck CHECK (version >= 1)
);

-- migrate:down

DROP TABLE patients;
