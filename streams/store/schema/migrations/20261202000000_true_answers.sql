-- migrate:up
-- open -> reserved | partly_refused | refused | cancelled | expired | partly_fulfilled;
-- reserved, partly_refused -> open | fulfilled | partly_fulfilled | cancelled.
ALTER TABLE requests DROP CONSTRAINT requests_status_ck, DROP CONSTRAINT requests_waiting_ck;
ALTER TABLE requests
ADD CONSTRAINT requests_status_ck CHECK (status IN (
    'open', 'reserved', 'partly_refused', 'refused', 'cancelled', 'expired', 'partly_fulfilled',
    'fulfilled'
)),
-- Open means it waits for something; ended means it waits for nothing.
ADD CONSTRAINT requests_waiting_ck CHECK (
    (status IN ('open', 'reserved', 'partly_refused')) = (waiting_for <> '')
);
-- Serves the question whether a patient is asked for twice.
CREATE INDEX requests_patient_ix ON requests (hospital_id, (body -> 'patient' ->> 'reference'))
WHERE status IN ('open', 'reserved', 'partly_refused');

-- migrate:down
-- Fails, as it must, while a request is in a state that the old schema does not know.
DROP INDEX requests_patient_ix;
ALTER TABLE requests DROP CONSTRAINT requests_status_ck, DROP CONSTRAINT requests_waiting_ck;
ALTER TABLE requests
ADD CONSTRAINT requests_status_ck CHECK (status IN (
    'open', 'reserved', 'refused', 'cancelled', 'expired', 'fulfilled'
)),
ADD CONSTRAINT requests_waiting_ck CHECK ((status IN ('open', 'reserved')) = (waiting_for <> ''));
