-- migrate:up

-- Each class of components has its own group of the patient: a transplant, a mother, a rare or a
-- disputed group make them differ. And a rule of groups names the urgencies for which it holds.
ALTER TABLE requests
ADD COLUMN patient_plasma_group text,
ADD COLUMN patient_platelet_group text,
ADD COLUMN patient_whole_blood_group text;

UPDATE requests SET
    patient_plasma_group = patient_group,
    patient_platelet_group = patient_group,
    patient_whole_blood_group = patient_group;

ALTER TABLE requests
ALTER COLUMN patient_plasma_group SET NOT NULL,
ALTER COLUMN patient_platelet_group SET NOT NULL,
ALTER COLUMN patient_whole_blood_group SET NOT NULL,
ADD CONSTRAINT requests_patient_plasma_group_ck
CHECK (patient_plasma_group IN ('unknown', 'O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+')),
ADD CONSTRAINT requests_patient_platelet_group_ck
CHECK (patient_platelet_group IN ('unknown', 'O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+')),
ADD CONSTRAINT requests_patient_whole_blood_group_ck
CHECK (patient_whole_blood_group IN ('unknown', 'O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+'));

-- `xuelian migrate` writes the rows anew from the rules, right after this.
DELETE FROM compatible_groups;

DELETE FROM schema_parts WHERE name = 'compatible_groups';

ALTER TABLE compatible_groups
DROP COLUMN emergency,
ADD COLUMN of_class text NOT NULL,
ADD COLUMN priorities text [] NOT NULL;

-- migrate:down

DO $$ BEGIN RAISE EXCEPTION 'the schema only goes forward'; END $$;
