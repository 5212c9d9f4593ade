-- Queries of the jobs that read whole days of calls. Times are UTC, bounds half open.

-- name: calls_to_score
-- Finished calls that nobody scored. $1 ended before, $2 started from, $3 and $4 the last one seen, $5 how many.
SELECT id, started_at, ended_at, playbook, language, scenario, outcome, ending_reason, transfer_reason, failures
FROM calls
WHERE quality_score IS NULL AND quality IS NULL AND ended_at IS NOT NULL AND outcome IS DISTINCT FROM 'refused'
  AND ended_at < $1 AND started_at >= $2 AND (ended_at, id) > ($3, $4::uuid)
ORDER BY ended_at, id
LIMIT $5;

-- name: turns_of
-- $1 and $2 the earliest and the latest start of the calls, $3 their ids.
SELECT call_id, at, turn, speaker, text, interrupted
FROM call_turns
WHERE call_started_at BETWEEN $1 AND $2 AND call_id = ANY($3::uuid[]);

-- name: tools_of
-- As turns_of.
SELECT call_id, at, turn, name, arguments, result, success, error
FROM call_tool_calls
WHERE call_started_at BETWEEN $1 AND $2 AND call_id = ANY($3::uuid[]);

-- name: score_call
-- $1 its start, $2 its id, $3 the eight scores, $4 their mean.
UPDATE calls SET quality = $3, quality_score = $4
WHERE started_at = $1 AND id = $2 AND quality IS NULL;

-- name: playbooks_between
-- $1 from, $2 to.
SELECT DISTINCT playbook FROM calls WHERE started_at >= $1 AND started_at < $2 ORDER BY playbook;

-- name: made_from
-- How much was recorded of each day. $1 from, $2 to, $3 time zone, $4 playbooks. The end of a lost call may still be
-- replaced by its own, or move: nothing else changes in number then.
WITH day_calls AS (
    SELECT id, started_at, playbook, (started_at AT TIME ZONE $3)::date AS day, ended_at, quality_score, outcome, cost,
           CASE WHEN ending_reason = 'engine_lost' THEN extract(epoch FROM ended_at - started_at) END AS lost_seconds
    FROM calls
    WHERE started_at >= $1 AND started_at < $2 AND playbook = ANY($4::text[])
), day_turns AS (
    SELECT c.day, c.playbook, count(*) AS turns
    FROM call_turns t JOIN day_calls c ON c.id = t.call_id AND c.started_at = t.call_started_at
    WHERE t.call_started_at >= $1 AND t.call_started_at < $2
    GROUP BY c.day, c.playbook
), day_tools AS (
    SELECT c.day, c.playbook, count(*) AS tools
    FROM call_tool_calls t JOIN day_calls c ON c.id = t.call_id AND c.started_at = t.call_started_at
    WHERE t.call_started_at >= $1 AND t.call_started_at < $2
    GROUP BY c.day, c.playbook
)
SELECT day, playbook, count(*) AS calls, count(ended_at) AS ended, count(outcome) AS outcomes,
       count(quality_score) AS scored, count(*) FILTER (WHERE cost <> '{}') AS priced,
       coalesce(max(turns), 0) AS turns, coalesce(max(tools), 0) AS tools,
       count(lost_seconds) AS lost, coalesce(sum(lost_seconds), 0)::bigint AS lost_seconds
FROM day_calls LEFT JOIN day_turns USING (day, playbook) LEFT JOIN day_tools USING (day, playbook)
GROUP BY day, playbook
ORDER BY day, playbook;

-- name: price_calls
-- Of the calls that began from $1 to $2 and were over at $3: $4 a minute of telephony, $5 a minute of recognition, $6
-- 1,000 characters that were heard, $7 a million tokens that models read and $8 that they wrote; 0: not counted. A call
-- is priced once. Tokens that nobody told are in no amount: where none were told there is no part "llm", and a call that
-- would have no part at all is left as it is.
UPDATE calls SET cost = jsonb_strip_nulls(jsonb_build_object(
    'telephony', CASE WHEN $4::float8 > 0 THEN round((used.minutes * $4::float8)::numeric, 6) END,
    'stt', CASE WHEN $5::float8 > 0 THEN round((used.minutes * $5::float8)::numeric, 6) END,
    'tts', CASE WHEN $6::float8 > 0 THEN round((used.characters * $6::float8 / 1000)::numeric, 6) END,
    'llm', CASE WHEN $7::float8 > 0 OR $8::float8 > 0 THEN round(used.tokens::numeric, 6) END))
FROM (
    SELECT c.id, c.started_at, greatest(0, extract(epoch FROM c.ended_at - c.started_at))::float8 / 60 AS minutes,
           coalesce((SELECT sum(length(t.text)) FROM call_turns t
                     WHERE t.call_id = c.id AND t.call_started_at = c.started_at AND t.speaker = 'agent'), 0)::float8
               AS characters,
           CASE WHEN num_nonnulls(c.input_tokens, c.output_tokens) > 0
                THEN (coalesce(c.input_tokens, 0) * $7::float8 + coalesce(c.output_tokens, 0) * $8::float8) / 1000000
                END AS tokens
    FROM calls c
    WHERE c.started_at >= $1 AND c.started_at < $2 AND c.ended_at < $3 AND c.cost = '{}'
      AND c.outcome IS DISTINCT FROM 'refused' AND c.text_removed_at IS NULL AND c.erased_at IS NULL
      AND ($4::float8 > 0 OR $5::float8 > 0 OR $6::float8 > 0 OR num_nonnulls(c.input_tokens, c.output_tokens) > 0)
) used
WHERE calls.id = used.id AND calls.started_at = used.started_at AND calls.cost = '{}';

-- name: day_calls
-- $1 from, $2 to, $3 playbook; so in all queries of a day.
SELECT count(*) AS total,
       count(*) FILTER (WHERE outcome IS DISTINCT FROM 'refused') AS answered,
       count(DISTINCT caller) AS callers,
       coalesce(sum(turns), 0) AS turns, coalesce(sum(interruptions), 0) AS interruptions,
       coalesce(sum(failures), 0) AS failures, coalesce(sum(takeovers), 0) AS takeovers,
       count(order_id) AS orders, count(booking_id) AS bookings,
       coalesce(sum(extract(epoch FROM ended_at - started_at)), 0)::float8 AS seconds,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at))
           AS seconds_quantiles,
       count(quality_score) AS scored, avg(quality_score)::float8 AS quality,
       coalesce(sum(model_asked), 0) AS model_asked, coalesce(sum(model_unknown), 0) AS model_unknown,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
       count(*) FILTER (WHERE turns > 0 AND model_asked IS NULL) AS model_not_recorded
FROM calls
WHERE started_at >= $1 AND started_at < $2 AND playbook = $3;

-- name: day_names
-- How often each outcome, ending, scenario and reason of a transfer came.
SELECT kind, name, count(*) AS count
FROM calls
CROSS JOIN LATERAL (VALUES
    ('outcomes', coalesce(outcome, CASE WHEN ended_at IS NULL THEN 'running' ELSE 'unknown' END)),
    ('endings', ending_reason),
    ('scenarios', scenario),
    ('languages', nullif(language, '')),
    ('transfers', CASE WHEN outcome = 'transferred' THEN coalesce(transfer_reason, ending_reason, 'unknown') END)
) AS named (kind, name)
WHERE started_at >= $1 AND started_at < $2 AND playbook = $3 AND name IS NOT NULL
GROUP BY kind, name
ORDER BY kind, count(*) DESC, name;

-- name: day_hours
-- $4 time zone.
SELECT extract(hour FROM started_at AT TIME ZONE $4)::int AS hour, count(*) AS count
FROM calls
WHERE started_at >= $1 AND started_at < $2 AND playbook = $3
GROUP BY 1
ORDER BY 1;

-- name: day_latency
-- Seconds from the end of the caller's speech to each stage; one row of a turn has them.
SELECT stage.key AS stage, count(*) AS count,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY (stage.value #>> '{}')::float8) AS quantiles
FROM calls c
JOIN call_turns t ON t.call_id = c.id AND t.call_started_at = c.started_at
CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(t.stages) WHEN 'object' THEN t.stages ELSE '{}' END) AS stage
WHERE c.started_at >= $1 AND c.started_at < $2 AND c.playbook = $3
  AND t.call_started_at >= $1 AND t.call_started_at < $2
  AND jsonb_typeof(stage.value) = 'number'
GROUP BY stage.key
ORDER BY stage.key;

-- name: day_tools
SELECT t.name, count(*) AS count, count(*) FILTER (WHERE NOT t.success) AS failures,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY t.duration_s) AS quantiles
FROM calls c
JOIN call_tool_calls t ON t.call_id = c.id AND t.call_started_at = c.started_at
WHERE c.started_at >= $1 AND c.started_at < $2 AND c.playbook = $3
  AND t.call_started_at >= $1 AND t.call_started_at < $2
GROUP BY t.name
ORDER BY t.name;

-- name: day_cost
SELECT part.key AS part, sum((part.value #>> '{}')::float8) AS amount
FROM calls
CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(cost) WHEN 'object' THEN cost ELSE '{}' END) AS part
WHERE started_at >= $1 AND started_at < $2 AND playbook = $3 AND jsonb_typeof(part.value) = 'number'
GROUP BY part.key
ORDER BY part.key;

-- name: day_quality
SELECT criterion.key AS criterion, count(*) AS count, avg((criterion.value ->> 'score')::float8) AS mean
FROM calls
CROSS JOIN LATERAL jsonb_each(CASE jsonb_typeof(quality) WHEN 'object' THEN quality ELSE '{}' END) AS criterion
WHERE started_at >= $1 AND started_at < $2 AND playbook = $3 AND jsonb_typeof(criterion.value -> 'score') = 'number'
GROUP BY criterion.key
ORDER BY criterion.key;

-- name: day_callbacks
SELECT count(*) FROM callbacks b JOIN calls c ON c.id = b.call_id AND c.started_at = b.call_started_at
WHERE c.started_at >= $1 AND c.started_at < $2 AND c.playbook = $3;

-- name: stored_figures
-- $1 first day, $2 last day.
SELECT day, playbook, figures FROM daily_stats WHERE day BETWEEN $1 AND $2 ORDER BY day, playbook;

-- name: store_figures
-- $1 day, $2 playbook, $3 figures. A row where they differ from what stood there; none otherwise.
INSERT INTO daily_stats AS old (day, playbook, figures)
VALUES ($1, $2, $3)
ON CONFLICT (day, playbook) DO UPDATE SET figures = $3, made_at = now()
WHERE old.figures IS DISTINCT FROM excluded.figures
RETURNING day;

-- name: open_callbacks
-- $1 asked before.
SELECT b.id, b.call_id, b.phone, b.asked_at, b.not_before, b.reason, b.state, b.taken_by, b.changed_at,
       c.playbook, k.name
FROM callbacks b
LEFT JOIN calls c ON c.id = b.call_id AND c.started_at = b.call_started_at
LEFT JOIN customers k ON k.phone = b.phone
WHERE b.state IN ('open', 'taken') AND b.phone IS NOT NULL AND b.asked_at < $1
ORDER BY coalesce(b.not_before, b.asked_at), b.id;

-- name: close_stale_callbacks
-- $1 asked before, $2 now.
UPDATE callbacks SET state = 'unreachable', changed_at = $2
WHERE state IN ('open', 'taken') AND asked_at < $1
RETURNING id;

-- name: all_numbers
-- Every number that the records hold, as it stands there.
SELECT caller AS number FROM calls WHERE caller IS NOT NULL
UNION SELECT phone FROM customers
UNION SELECT phone FROM callbacks WHERE phone IS NOT NULL;

-- name: numbers_like
-- The same of one caller, in each way it was written. $1 its digits.
SELECT number
FROM (
    SELECT caller AS number FROM calls WHERE caller IS NOT NULL
    UNION SELECT phone FROM customers
    UNION SELECT phone FROM callbacks WHERE phone IS NOT NULL
) AS numbers
WHERE regexp_replace(regexp_replace(number, '[^0-9]', '', 'g'), '^00', '') = $1;

-- name: calls_of_caller
-- $1 his number as it stands there, $2 started at the latest.
SELECT id, started_at, node FROM calls WHERE caller = ANY($1::text[]) AND started_at <= $2 ORDER BY started_at;

-- name: held_calls
-- $1 ids of calls.
SELECT DISTINCT call_id FROM legal_holds WHERE call_id = ANY($1::uuid[]) AND released_at IS NULL ORDER BY call_id;

-- name: erase_calls
-- $1 ids, $2 and $3 the earliest and the latest start, $4 now. What tells nothing of a person stays for statistics.
UPDATE calls
SET caller = NULL, channel = '', order_id = NULL, booking_id = NULL, text_removed_at = coalesce(text_removed_at, $4),
    erased_at = coalesce(erased_at, $4)
WHERE started_at BETWEEN $2 AND $3 AND id = ANY($1::uuid[])
  AND (erased_at IS NULL OR caller IS NOT NULL OR channel <> '' OR order_id IS NOT NULL OR booking_id IS NOT NULL);

-- name: erase_turns
-- $1 to $3 as erase_calls.
UPDATE call_turns SET text = NULL
WHERE call_started_at BETWEEN $2 AND $3 AND call_id = ANY($1::uuid[]) AND text IS NOT NULL;

-- name: erase_tools
-- $1 to $3 as erase_calls.
UPDATE call_tool_calls SET arguments = NULL, result = NULL
WHERE call_started_at BETWEEN $2 AND $3 AND call_id = ANY($1::uuid[])
  AND (arguments IS NOT NULL OR result IS NOT NULL);

-- name: erase_customers
-- $1 numbers, $2 known since then at the latest.
DELETE FROM customers WHERE phone = ANY($1::text[]) AND first_call_at <= $2;

-- name: erase_callbacks
-- $1 numbers, $2 asked at the latest, $3 ids of calls, $4 now, $5 whether others' calls on hold are erased, too.
UPDATE callbacks
SET phone = NULL, reason = '', changed_at = $4,
    state = CASE WHEN state IN ('open', 'taken') THEN 'unreachable' ELSE state END
WHERE (call_id = ANY($3::uuid[]) OR (phone = ANY($1::text[]) AND asked_at <= $2 AND ($5::boolean OR NOT EXISTS (
    SELECT FROM legal_holds h WHERE h.call_id = callbacks.call_id AND h.released_at IS NULL))))
  AND (phone IS NOT NULL OR reason <> '');

-- name: erase_mentions_in_turns
-- Where somebody else said the number, written in digits. $1 a pattern of it, $2 said at the latest, $3 whether calls on
-- hold are erased, too.
UPDATE call_turns SET text = NULL
WHERE call_started_at <= $2 AND text ~ $1
  AND ($3::boolean OR NOT EXISTS (
    SELECT FROM legal_holds h WHERE h.call_id = call_turns.call_id AND h.released_at IS NULL));

-- name: erase_mentions_in_tools
-- As erase_mentions_in_turns.
UPDATE call_tool_calls SET arguments = NULL, result = NULL
WHERE call_started_at <= $2 AND (arguments::text ~ $1 OR result::text ~ $1)
  AND ($3::boolean OR NOT EXISTS (
    SELECT FROM legal_holds h WHERE h.call_id = call_tool_calls.call_id AND h.released_at IS NULL));

-- The three below: how many rows of calls on hold stay as they are. $1 and $2 as there.

-- name: held_mentions_in_turns
SELECT count(*) AS rows FROM call_turns t
WHERE call_started_at <= $2 AND text ~ $1
  AND t.call_id IN (SELECT call_id FROM legal_holds WHERE released_at IS NULL);

-- name: held_mentions_in_tools
SELECT count(*) AS rows FROM call_tool_calls t
WHERE call_started_at <= $2 AND (arguments::text ~ $1 OR result::text ~ $1)
  AND t.call_id IN (SELECT call_id FROM legal_holds WHERE released_at IS NULL);

-- name: held_callbacks
-- $1 numbers, $2 asked at the latest.
SELECT count(*) AS rows FROM callbacks b
WHERE phone = ANY($1::text[]) AND asked_at <= $2
  AND b.call_id IN (SELECT call_id FROM legal_holds WHERE released_at IS NULL);

-- name: earlier_receipts
-- $1 digest of the number.
SELECT receipt FROM erasures WHERE caller_digest = $1 ORDER BY requested_at;

-- name: other_keys
-- Whether erasures were noted under another key. $1 our key's id.
SELECT count(*) FROM erasures WHERE receipt ->> 'key' <> $1;

-- name: note_erasure
-- $1 id, $2 digest, $3 requested at.
INSERT INTO erasures (id, caller_digest, requested_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: close_erasure
-- $1 id, $2 done at, $3 receipt.
UPDATE erasures SET done_at = $2, receipt = $3 WHERE id = $1;
