-- migrate:up
-- Serve list_spellings and list_twins: the same identifier with other zeros before it, whether digits or
-- letters follow.
DROP INDEX units_donation_digits_ix;
DROP INDEX units_digits_ix;
CREATE INDEX units_zeros_ix ON units (ltrim(unit_id, '0'));
CREATE INDEX units_donation_zeros_ix ON units (ltrim(donation_id, '0'));
CREATE INDEX donors_zeros_ix ON donors (ltrim(donor_id, '0'));

-- migrate:down
DROP INDEX donors_zeros_ix;
DROP INDEX units_donation_zeros_ix;
DROP INDEX units_zeros_ix;
CREATE INDEX units_digits_ix ON units (ltrim(unit_id, '0')) WHERE unit_id ~ '^[0-9]+$';
CREATE INDEX units_donation_digits_ix ON units (ltrim(donation_id, '0')) WHERE donation_id ~ '^[0-9]+$';
