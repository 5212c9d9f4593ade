-- What the catalogue says of a partitioned table. $1 is its name as the search path finds it.

-- name: partitions_of
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, i.inhdetachpending AS detaching
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)
ORDER BY c.relname;

-- name: columns_of
SELECT attname AS name
FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum;

-- name: loose_beside
SELECT c.relname AS name
FROM pg_class c
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1))
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i')
  AND starts_with(c.relname, $1 || '_')
  AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = to_regclass($1));

-- name: marked
-- Tables with the comment $2 in the schema of $1 that are no partitions.
SELECT c.relname AS name
FROM pg_class c
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1))
  AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND obj_description(c.oid, 'pg_class') = $2
ORDER BY c.relname;

-- name: held_months
-- Months with a call on legal hold, by what the hold says and by what the call says.
SELECT DISTINCT extract(year FROM at AT TIME ZONE 'UTC')::int AS year,
                extract(month FROM at AT TIME ZONE 'UTC')::int AS month
FROM (
    SELECT call_started_at AS at FROM legal_holds WHERE released_at IS NULL
    UNION ALL
    SELECT c.started_at FROM calls c JOIN legal_holds h ON h.call_id = c.id WHERE h.released_at IS NULL
) held
WHERE at >= '0001-01-01 00:00+00' AND at < '9999-01-01 00:00+00';

-- name: oldest_text
-- The earliest call, or 2020 for an earlier one, with words to be removed, from $2 (a text, for it may be -infinity) to
-- $1. NULL: there is none.
SELECT CASE WHEN at IS NOT NULL THEN greatest(at, '2020-01-01 00:00+00') END
FROM (SELECT least(
    (SELECT min(t.call_started_at) FROM call_turns t WHERE t.call_started_at >= $2::text::timestamptz AND t.call_started_at < $1 AND t.text IS NOT NULL
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL)),
    (SELECT min(t.call_started_at) FROM call_tool_calls t
     WHERE t.call_started_at >= $2::text::timestamptz AND t.call_started_at < $1 AND (t.arguments IS NOT NULL OR t.result IS NOT NULL)
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL)),
    (SELECT min(c.started_at) FROM calls c WHERE c.started_at >= $2::text::timestamptz AND c.started_at < $1 AND c.text_removed_at IS NULL
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = c.id AND h.released_at IS NULL))) AS at) oldest;

-- The three below: of the calls from $1 (a text, for it may be -infinity) to $2.

-- name: remove_turn_texts
UPDATE call_turns t SET text = NULL
WHERE t.call_started_at >= $1::text::timestamptz AND t.call_started_at < $2 AND t.text IS NOT NULL
  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL);

-- name: remove_tool_texts
UPDATE call_tool_calls t SET arguments = NULL, result = NULL
WHERE t.call_started_at >= $1::text::timestamptz AND t.call_started_at < $2
  AND (t.arguments IS NOT NULL OR t.result IS NOT NULL)
  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL);

-- name: mark_texts_removed
UPDATE calls c SET text_removed_at = $3
WHERE c.started_at >= $1::text::timestamptz AND c.started_at < $2 AND c.text_removed_at IS NULL
  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = c.id AND h.released_at IS NULL);

-- name: texts_to_remove
SELECT
    (SELECT count(*) FROM call_turns t WHERE t.call_started_at < $1 AND t.text IS NOT NULL
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL)) AS turns,
    (SELECT count(*) FROM call_tool_calls t
     WHERE t.call_started_at < $1 AND (t.arguments IS NOT NULL OR t.result IS NOT NULL)
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = t.call_id AND h.released_at IS NULL)) AS tools,
    (SELECT count(*) FROM calls c WHERE c.started_at < $1 AND c.text_removed_at IS NULL
       AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = c.id AND h.released_at IS NULL)) AS calls;

-- name: days_with_proof
-- On how many days from $1 to $2 a call began or a job ran.
SELECT count(*) FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 day', interval '1 day') day
WHERE EXISTS (SELECT FROM calls WHERE started_at >= day AND started_at < day + interval '1 day')
   OR EXISTS (SELECT FROM ops_runs WHERE started_at >= day AND started_at < day + interval '1 day');
