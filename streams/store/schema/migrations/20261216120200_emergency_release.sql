-- migrate:up

-- A bag that a named clinician takes past a test of the patient, and whether a request lets antibodies
-- be passed.
ALTER TABLE promises ADD COLUMN emergency boolean DEFAULT false NOT NULL;
ALTER TABLE requests ADD COLUMN patient_antibodies_passed boolean DEFAULT false NOT NULL;

-- The figure of a period counts them; they are few.
CREATE INDEX promises_emergency_ix ON promises (held_at) WHERE emergency;

-- migrate:down

DROP INDEX promises_emergency_ix;
ALTER TABLE requests DROP COLUMN patient_antibodies_passed;
ALTER TABLE promises DROP COLUMN emergency;
