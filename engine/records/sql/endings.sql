-- Calls whose end nobody told: the machine that led them is gone.

-- name: close_lost_calls
-- $1 and $2: began from, began before; so long ago that none of them can still go on, on whatever node. They ended, as
-- far as anybody knows, with the last that was recorded of them; where more of it comes later, later. The end that the
-- call itself tells stands before this one, whenever it comes (end_calls). Where it moves, the call is priced and scored
-- anew; one whose words are gone cannot be priced any more, and keeps the price that it has.
UPDATE calls SET
    cost = CASE WHEN calls.text_removed_at IS NULL AND calls.erased_at IS NULL THEN '{}' ELSE calls.cost END,
    quality = NULL, quality_score = NULL,
    ended_at = last.at, outcome = 'failed', ending_reason = 'engine_lost'
FROM (
    SELECT c.id, c.started_at, greatest(
        c.started_at,
        (SELECT max(t.at) FROM call_turns t WHERE t.call_id = c.id AND t.call_started_at = c.started_at),
        (SELECT max(t.at) FROM call_tool_calls t WHERE t.call_id = c.id AND t.call_started_at = c.started_at)) AS at
    FROM calls c
    WHERE c.started_at >= $1 AND c.started_at < $2 AND (c.ended_at IS NULL OR c.ending_reason = 'engine_lost')
) last
WHERE calls.id = last.id AND calls.started_at = last.started_at
  AND (calls.ended_at IS NULL OR (calls.ending_reason = 'engine_lost' AND calls.ended_at < last.at))
RETURNING calls.id;

-- name: lost_calls
-- How many of them have no end yet. $1 and $2 as above.
SELECT count(*) FROM calls WHERE started_at >= $1 AND started_at < $2 AND ended_at IS NULL;
