-- name: list_units
SELECT
    u.unit_id, u.parent_id, u.component, u.blood_group AS "group", u.volume_ml, u.status,
    u.station_id, u.source, u.collected_at, u.expires_at, u.released_at, u.attested_by,
    p.request_id, r.hospital_id, t.to_station_id,
    (
        SELECT jsonb_build_object(
            'key', h.actor, 'by', h.by, 'reason', h.reason, 'placed_at', h.placed_at, 'until', h.until
        )
        FROM unit_holds AS h WHERE h.unit_id = u.unit_id AND h.ended_at IS NULL
    ) AS hold
FROM units AS u
LEFT JOIN LATERAL (
    SELECT request_id, transfer_id FROM promises
    WHERE unit_id = u.unit_id AND status IN ('held', 'issued', 'received')
    ORDER BY epoch DESC LIMIT 1
) AS p ON true
LEFT JOIN requests AS r ON r.request_id = p.request_id
LEFT JOIN transfers AS t ON t.transfer_id = p.transfer_id
WHERE u.donation_id = :donation_id::text
ORDER BY u.parent_id NULLS FIRST, u.unit_id;

-- name: list_scans
SELECT
    s.unit_id, s.change, s.actor, s.facility_id, s.done_by, s.epoch, s.out_of_control_s,
    s.happened_at, s.recorded_at
FROM unit_scans AS s
INNER JOIN units AS u USING (unit_id)
WHERE u.donation_id = :donation_id::text
ORDER BY s.scan_no;

-- name: list_recalls
SELECT
    c.recall_id, c.station_id, c.reason, c.recalled_by, c.recalled_at,
    (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'unit_id', x.unit_id, 'was', x.was, 'holder_kind', x.holder_kind,
            'holder_id', x.holder_id, 'request_id', x.request_id, 'is_frozen', x.is_frozen,
            'issued_outside', (
                SELECT max(d.reason) FROM reconciliation_differences AS d
                WHERE d.unit_id = x.unit_id AND d.resolution = 'issued_outside'
            )
        ) ORDER BY x.unit_id), '[]')
        FROM recalled_units AS x WHERE x.recall_id = c.recall_id
    ) AS units
FROM recalls AS c
WHERE c.donation_id = :donation_id::text
ORDER BY c.recalled_at, c.recall_id;

-- name: list_recipients
-- Look-back is to the donor: what the same donor gave before and after, as far as calls tell, too. Units
-- that a hospital received and did not send back.
WITH donations AS (
    SELECT :donation_id::text AS donation_id
    UNION
    SELECT other.donation_id
    FROM units AS u
    INNER JOIN call_outs AS c USING (unit_id)
    INNER JOIN call_outs AS again ON again.donor_id = c.donor_id
    INNER JOIN units AS other ON other.unit_id = again.unit_id
    WHERE u.donation_id = :donation_id::text
)
SELECT
    u.donation_id, u.unit_id, u.component, u.status AS unit_status, p.request_id, r.hospital_id,
    r.body #>> '{patient,reference}' AS patient_reference, p.ended_at AS received_at
FROM donations
INNER JOIN units AS u USING (donation_id)
INNER JOIN promises AS p ON p.unit_id = u.unit_id AND p.status = 'received'
INNER JOIN requests AS r ON r.request_id = p.request_id
ORDER BY u.donation_id, p.ended_at, u.unit_id;

-- name: list_testers
SELECT DISTINCT station_id FROM test_results WHERE donation_id = :donation_id::text;
