-- name: list_results
SELECT
    donation_id, result_id, test, outcome, blood_group, method, run_id, performed_at, performed_by,
    supersedes, note, station_id, recorded_at
FROM test_results
WHERE donation_id = ANY(:donation_ids::text[])
ORDER BY recorded_at, result_id;

-- name: list_donation_stations
SELECT DISTINCT donation_id, station_id FROM units WHERE donation_id = ANY(:donation_ids::text[]);

-- name: list_says
SELECT unit_id, unit_stations(unit_id) AS stations FROM units
WHERE donation_id = :donation_id::text;

-- name: list_stations
WITH owners AS (SELECT unnest(donation_stations(:donation_id::text)) AS station_id)
SELECT station_id FROM owners
UNION
SELECT station_id FROM test_results
WHERE donation_id = :donation_id::text AND NOT EXISTS (SELECT FROM owners);

-- name: list_spellings
SELECT 'unit' AS what, n.written, u.unit_id AS known
FROM unnest(:unit_ids::text[]) AS n (written)
INNER JOIN units AS u
    ON ltrim(u.unit_id, '0') = ltrim(n.written, '0') AND u.unit_id <> n.written
UNION
SELECT 'donation' AS what, n.written, u.donation_id AS known
FROM unnest(:donation_ids::text[]) AS n (written)
INNER JOIN units AS u
    ON ltrim(u.donation_id, '0') = ltrim(n.written, '0') AND u.donation_id <> n.written;

-- name: find_result^
SELECT
    donation_id, result_id, test, outcome, blood_group, method, run_id, performed_at, performed_by,
    supersedes, note, station_id
FROM test_results WHERE result_id = :result_id::text;

-- name: add_result!
INSERT INTO test_results (
    result_id, donation_id, station_id, test, outcome, blood_group, method, run_id, performed_at,
    performed_by, supersedes, note, caused_by, recorded_at
) VALUES (
    :result_id, :donation_id, :station_id, :test, :outcome, :blood_group, :method, :run_id,
    :performed_at, :performed_by, :supersedes, :note, :caused_by, :now
);

-- name: list_recalled
SELECT DISTINCT donation_id FROM recalls WHERE donation_id = ANY(:donation_ids::text[]);

-- name: find_recall^
SELECT recall_id FROM recalls WHERE recall_id = :recall_id::text;

-- name: add_recall!
INSERT INTO recalls (
    recall_id, donation_id, station_id, reason, recalled_by, caused_by, recalled_at, recorded_at
) VALUES (
    :recall_id, :donation_id, :station_id, :reason, :recalled_by, :caused_by, :recalled_at, :now
);

-- name: add_places!
INSERT INTO recalled_units (
    recall_id, unit_id, was, holder_kind, holder_id, request_id, is_frozen
)
SELECT :recall_id::text, x.unit_id, x.was, x.holder_kind, x.holder_id, x.request_id, x.is_frozen
FROM jsonb_to_recordset(:payload::jsonb) AS x (
    unit_id text, was text, holder_kind text, holder_id text, request_id text, is_frozen boolean
);

-- name: list_destinations
SELECT
    u.unit_id, p.request_id, r.body #>> '{patient,reference}' AS patient_reference, r.hospital_id,
    r.station_id AS supplier_id, t.to_station_id, d.issued_outside
FROM units AS u
LEFT JOIN LATERAL (
    SELECT request_id, transfer_id FROM promises
    WHERE unit_id = u.unit_id ORDER BY epoch DESC LIMIT 1
) AS p ON true
LEFT JOIN requests AS r ON r.request_id = p.request_id
LEFT JOIN transfers AS t ON t.transfer_id = p.transfer_id
LEFT JOIN LATERAL (
    SELECT max(reason) AS issued_outside FROM reconciliation_differences
    WHERE unit_id = u.unit_id AND resolution = 'issued_outside'
) AS d ON true
WHERE u.donation_id = :donation_id::text;

-- name: list_in_quarantine
SELECT DISTINCT donation_id FROM units
WHERE
    donation_id = ANY(:donation_ids::text[])
    AND released_at IS NULL
    AND status IN ('collected', 'quarantined', 'split');

-- name: find_registered_group^
SELECT d.blood_group
FROM units AS u
INNER JOIN call_outs AS c ON c.unit_id = u.unit_id
INNER JOIN donors AS d ON d.donor_id = c.donor_id
WHERE u.donation_id = :donation_id::text
ORDER BY d.blood_group = u.blood_group, d.donor_id
LIMIT 1;

-- name: list_waiting_of_donors
SELECT DISTINCT u.donation_id
FROM call_outs AS c INNER JOIN units AS u ON u.unit_id = c.unit_id
WHERE
    c.station_id = :station_id::text
    AND u.released_at IS NULL
    AND u.status IN ('collected', 'quarantined', 'split')
ORDER BY u.donation_id;
