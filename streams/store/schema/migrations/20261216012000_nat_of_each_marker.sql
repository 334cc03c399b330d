-- migrate:up
-- A nucleic-acid test is of HBV, HCV and HIV each; the rows are written anew from the rules.
ALTER TABLE test_results DROP CONSTRAINT test_results_test_fk;
ALTER TABLE test_results ADD CONSTRAINT test_results_test_ck CHECK (
    test = ANY(ARRAY[
        'hbsag', 'anti_hcv', 'anti_hiv', 'syphilis', 'alt', 'grouping',
        'nat', 'nat_hbv', 'nat_hcv', 'nat_hiv'
    ])
);
ALTER TABLE needed_tests ADD COLUMN unnamed_counts boolean NOT NULL DEFAULT false;

-- migrate:down
ALTER TABLE needed_tests DROP COLUMN unnamed_counts;
ALTER TABLE test_results DROP CONSTRAINT test_results_test_ck;
