-- What the recorder writes. Each statement may be run again with the same rows: nothing is doubled by it.

-- name: take_cursor
INSERT INTO recorder_cursors (outbox, position) VALUES ($1, $2)
ON CONFLICT (outbox) DO UPDATE SET changed_at = now()
RETURNING position;

-- name: cursor
SELECT position FROM recorder_cursors WHERE outbox = $1;

-- name: move_cursor
UPDATE recorder_cursors SET position = $2, changed_at = now() WHERE outbox = $1;

-- name: add_calls
INSERT INTO calls (id, started_at)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[])
ON CONFLICT DO NOTHING;

-- name: tell_facts
-- A call that an ingress took over from another tells its facts twice: those that are there stay.
UPDATE calls SET
    caller = facts.caller, dialled = facts.dialled, channel = facts.channel, node = facts.node,
    playbook = facts.playbook, playbook_version = facts.version, language = facts.language,
    erased_at = CASE WHEN facts.erased THEN now() ELSE calls.erased_at END
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::boolean[])
    AS facts (id, started_at, caller, dialled, channel, node, playbook, version, language, erased)
WHERE calls.id = facts.id AND calls.started_at = facts.started_at AND calls.node = '' AND calls.erased_at IS NULL
RETURNING calls.caller, calls.started_at;

-- name: add_customers
INSERT INTO customers AS known (phone, first_call_at, last_call_at, calls)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::integer[])
ON CONFLICT (phone) DO UPDATE SET
    calls = known.calls + excluded.calls,
    first_call_at = LEAST(known.first_call_at, excluded.first_call_at),
    last_call_at = GREATEST(known.last_call_at, excluded.last_call_at);

-- name: name_customers
UPDATE customers SET name = given.name
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS given (id, started_at, name)
JOIN calls ON calls.id = given.id AND calls.started_at = given.started_at
WHERE customers.phone = calls.caller AND calls.erased_at IS NULL;

-- name: add_prompt_versions
INSERT INTO prompt_versions (playbook, version)
SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT DO NOTHING;

-- name: add_turns
WITH fresh AS (
    INSERT INTO call_turns
        (call_id, call_started_at, event_id, at, turn, speaker, text, confidence, stages, interrupted, interrupted_at_ms,
         model_asked, model_unknown, input_tokens, output_tokens)
    SELECT new.call_id, new.started_at, new.event_id, new.at, new.turn, new.speaker,
           CASE WHEN calls.erased_at IS NULL THEN new.text END, new.confidence, new.stages::jsonb, new.interrupted,
           new.interrupted_at_ms, new.asked, new.unknown, new.tokens_in, new.tokens_out
    FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::integer[], $6::text[], $7::text[],
                $8::real[], $9::text[], $10::boolean[], $11::integer[], $12::integer[], $13::integer[], $14::bigint[],
                $15::bigint[])
        AS new (call_id, started_at, event_id, at, turn, speaker, text, confidence, stages, interrupted,
                interrupted_at_ms, asked, unknown, tokens_in, tokens_out)
    JOIN calls ON calls.id = new.call_id AND calls.started_at = new.started_at
    ON CONFLICT DO NOTHING
    RETURNING call_id, call_started_at, turn, speaker, interrupted,
              model_asked, model_unknown, input_tokens, output_tokens
), sums AS (
    SELECT call_id, call_started_at, max(turn) AS turns,
           count(*) FILTER (WHERE speaker = 'agent' AND interrupted) AS interruptions,
           sum(model_asked)::integer AS asked, sum(model_unknown)::integer AS unknown,
           sum(input_tokens)::bigint AS tokens_in, sum(output_tokens)::bigint AS tokens_out
    FROM fresh GROUP BY call_id, call_started_at
)
UPDATE calls SET
    turns = GREATEST(calls.turns, sums.turns), interruptions = calls.interruptions + sums.interruptions,
    -- NULL and a number is the number; NULL and NULL stays NULL.
    model_asked = COALESCE(calls.model_asked + sums.asked, calls.model_asked, sums.asked),
    model_unknown = COALESCE(calls.model_unknown + sums.unknown, calls.model_unknown, sums.unknown),
    input_tokens = COALESCE(calls.input_tokens + sums.tokens_in, calls.input_tokens, sums.tokens_in),
    output_tokens = COALESCE(calls.output_tokens + sums.tokens_out, calls.output_tokens, sums.tokens_out)
FROM sums WHERE calls.id = sums.call_id AND calls.started_at = sums.call_started_at;

-- name: add_tools
INSERT INTO call_tool_calls
    (call_id, call_started_at, event_id, at, turn, name, arguments, result, duration_s, success, error)
SELECT new.call_id, new.started_at, new.event_id, new.at, new.turn, new.name,
       CASE WHEN calls.erased_at IS NULL THEN new.arguments::jsonb END,
       CASE WHEN calls.erased_at IS NULL THEN new.result::jsonb END, new.duration_s, new.success, new.error
FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::integer[], $6::text[], $7::text[],
            $8::text[], $9::real[], $10::boolean[], $11::text[])
    AS new (call_id, started_at, event_id, at, turn, name, arguments, result, duration_s, success, error)
JOIN calls ON calls.id = new.call_id AND calls.started_at = new.started_at
ON CONFLICT DO NOTHING;

-- name: tell_done
UPDATE calls SET
    scenario = COALESCE(calls.scenario, done.scenario),
    order_id = CASE WHEN calls.erased_at IS NULL THEN COALESCE(done.order_id, calls.order_id) END,
    booking_id = CASE WHEN calls.erased_at IS NULL THEN COALESCE(done.booking_id, calls.booking_id) END
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[])
    AS done (id, started_at, scenario, order_id, booking_id)
WHERE calls.id = done.id AND calls.started_at = done.started_at;

-- name: mark
UPDATE calls SET
    failures = failures + CASE WHEN $4 = 'failure' THEN 1 ELSE 0 END,
    takeovers = takeovers + CASE WHEN $4 = 'takeover' THEN 1 ELSE 0 END,
    marks = marks || jsonb_build_object($3::uuid::text, $4::text)
WHERE id = $1 AND started_at = $2 AND NOT marks ? $3::uuid::text;

-- name: add_model_use
-- What was used after the last turn. $1 and $2 the call, $3 the event, $4 to $7 as in a turn.
UPDATE calls SET
    model_asked = COALESCE(model_asked + $4::integer, model_asked, $4),
    model_unknown = COALESCE(model_unknown + $5::integer, model_unknown, $5),
    input_tokens = COALESCE(input_tokens + $6::bigint, input_tokens, $6),
    output_tokens = COALESCE(output_tokens + $7::bigint, output_tokens, $7),
    marks = marks || jsonb_build_object($3::uuid::text, 'model_use')
WHERE id = $1 AND started_at = $2 AND NOT marks ? $3::uuid::text;

-- name: add_callbacks
INSERT INTO callbacks (id, call_id, call_started_at, phone, asked_at, reason)
SELECT new.id, new.call_id, new.started_at, calls.caller, new.at, 'asked for in the call'
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS new (id, call_id, started_at, at)
JOIN calls ON calls.id = new.call_id AND calls.started_at = new.started_at
ON CONFLICT DO NOTHING;

-- name: end_calls
-- What the call tells itself stands before the end that the job "endings" gave it: then it is priced and scored anew, as
-- where that end moves (close_lost_calls).
UPDATE calls SET
    cost = CASE WHEN calls.ended_at IS NOT NULL AND calls.text_removed_at IS NULL AND calls.erased_at IS NULL
                THEN '{}' ELSE calls.cost END,
    quality = CASE WHEN calls.ended_at IS NULL THEN calls.quality END,
    quality_score = CASE WHEN calls.ended_at IS NULL THEN calls.quality_score END,
    ended_at = ending.at, next = ending.next, ending_reason = ending.reason,
    transfer_reason = ending.transfer_reason,
    outcome = COALESCE(ending.outcome, CASE WHEN calls.scenario IS NULL THEN 'abandoned' ELSE 'resolved' END)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS ending (id, started_at, at, next, reason, transfer_reason, outcome)
WHERE calls.id = ending.id AND calls.started_at = ending.started_at
  AND (calls.ended_at IS NULL OR calls.ending_reason = 'engine_lost');
