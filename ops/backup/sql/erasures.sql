-- name: erasures
SELECT id, caller_digest, extract(epoch FROM requested_at)::float8 AS at FROM erasures ORDER BY requested_at;

-- name: erasures_seen
-- Changes with every erasure that is noted.
SELECT count(*)::bigint FROM erasures;
