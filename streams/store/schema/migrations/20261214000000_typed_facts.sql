-- migrate:up

-- What PostgreSQL judges promises by, each a column of its own: a document is for whoever reads the whole
-- of it. Writers fill both from one value. What stands already gets its columns from its document.

-- The trait on which compatible_groups may insist.
ALTER TABLE units ADD COLUMN low_titre boolean NOT NULL DEFAULT false;
UPDATE units SET low_titre = true WHERE (traits ->> 'low_titre')::boolean;

-- The patient, in the words of compatible_groups: `unknown` is a group that nobody knows.
ALTER TABLE requests
ADD COLUMN patient_group text,
ADD COLUMN patient_has_anti_d boolean,
ADD COLUMN patient_is_asian_del boolean,
ADD COLUMN patient_has_consented boolean;
UPDATE requests SET
    patient_group = coalesce(body #>> '{patient,group}', 'unknown'),
    patient_has_anti_d = coalesce(body #> '{patient,antibodies}' ? 'D', false),
    patient_is_asian_del = coalesce((body #>> '{patient,asian_del}')::boolean, false),
    patient_has_consented = body #>> '{patient,rhd_consent}' IS NOT NULL;
ALTER TABLE requests
ALTER COLUMN patient_group SET NOT NULL,
ALTER COLUMN patient_has_anti_d SET NOT NULL,
ALTER COLUMN patient_is_asian_del SET NOT NULL,
ALTER COLUMN patient_has_consented SET NOT NULL,
ADD CONSTRAINT requests_patient_group_ck CHECK (
    patient_group IN ('unknown', 'O-', 'O+', 'A-', 'A+', 'B-', 'B+', 'AB-', 'AB+')
);

-- How long the way is; NULL if nothing was reserved.
ALTER TABLE decisions ADD COLUMN eta_s integer;
UPDATE decisions SET eta_s = (body ->> 'eta_s')::integer WHERE body ? 'eta_s';

-- The rule by which the group was chosen, without its version.
ALTER TABLE promises ADD COLUMN rule text;
UPDATE promises SET rule = split_part(coalesce(reason ->> 'rule', ''), '@', 1);
ALTER TABLE promises ALTER COLUMN rule SET NOT NULL;

ALTER TABLE transfers ADD COLUMN eta_s integer;
UPDATE transfers SET eta_s = coalesce((body ->> 'eta_s')::integer, 0);
ALTER TABLE transfers
ALTER COLUMN eta_s SET NOT NULL,
ADD CONSTRAINT transfers_eta_ck CHECK (eta_s >= 0);

ALTER TABLE shortages ADD COLUMN donor_groups blood_group[];
UPDATE shortages SET donor_groups = ARRAY(
    SELECT told.blood_group
    FROM jsonb_array_elements_text(body -> 'donor_groups') WITH ORDINALITY AS told (blood_group, nth)
    ORDER BY told.nth
);
ALTER TABLE shortages ALTER COLUMN donor_groups SET NOT NULL;

-- migrate:down
ALTER TABLE shortages DROP COLUMN donor_groups;
ALTER TABLE transfers DROP COLUMN eta_s;
ALTER TABLE promises DROP COLUMN rule;
ALTER TABLE decisions DROP COLUMN eta_s;
ALTER TABLE requests
DROP COLUMN patient_has_consented,
DROP COLUMN patient_is_asian_del,
DROP COLUMN patient_has_anti_d,
DROP COLUMN patient_group;
ALTER TABLE units DROP COLUMN low_titre;
