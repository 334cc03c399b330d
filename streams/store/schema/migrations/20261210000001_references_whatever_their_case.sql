-- migrate:up
-- One patient is one whether their reference was typed in capitals or not.
DROP INDEX requests_patient_ix;
CREATE INDEX requests_patient_ix ON requests (hospital_id, (lower(body -> 'patient' ->> 'reference')))
WHERE status IN ('open', 'reserved', 'partly_refused');

-- migrate:down
DROP INDEX requests_patient_ix;
CREATE INDEX requests_patient_ix ON requests (hospital_id, (body -> 'patient' ->> 'reference'))
WHERE status IN ('open', 'reserved', 'partly_refused');
