-- name: lock_names!
-- In one order for everybody: two transactions that begin cannot wait for each other in a circle.
SELECT pg_advisory_xact_lock(:space::int, ordered.number)
FROM (
    SELECT DISTINCT hashtext(n.name) AS number FROM unnest(:names::text[]) AS n (name)
    ORDER BY number
) AS ordered;

-- name: try_names$
SELECT bool_and(pg_try_advisory_xact_lock(:space::int, ordered.number))
FROM (
    SELECT DISTINCT hashtext(n.name) AS number FROM unnest(:names::text[]) AS n (name)
    ORDER BY number
) AS ordered;
