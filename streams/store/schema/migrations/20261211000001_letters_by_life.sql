-- migrate:up

-- The order of the list: lives first, then the newest.
DROP INDEX dead_letters_waiting_ix;
CREATE INDEX dead_letters_waiting_ix
ON dead_letters (is_life_threatening DESC, quarantined_at DESC, dead_letter_id)
WHERE replayed_at IS NULL;

-- migrate:down
DROP INDEX dead_letters_waiting_ix;
CREATE INDEX dead_letters_waiting_ix ON dead_letters (quarantined_at DESC) WHERE replayed_at IS NULL;
