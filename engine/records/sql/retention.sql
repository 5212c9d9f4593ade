-- What is removed beside the months. $1: what is older has had its time; $2: so many rows in one transaction.

-- name: remove_customers
-- Looked at twice: he may be calling just now.
DELETE FROM customers c USING (
    SELECT phone FROM customers old
    WHERE last_call_at < $1
      AND NOT EXISTS (SELECT FROM calls WHERE caller = old.phone)
      AND NOT EXISTS (SELECT FROM callbacks b WHERE b.phone = old.phone AND b.state IN ('open', 'taken'))
    LIMIT $2
) gone
WHERE c.phone = gone.phone AND c.last_call_at < $1;

-- name: customers_to_remove
SELECT count(*) FROM customers old
WHERE last_call_at < $1
  AND NOT EXISTS (SELECT FROM calls WHERE caller = old.phone)
  AND NOT EXISTS (SELECT FROM callbacks b WHERE b.phone = old.phone AND b.state IN ('open', 'taken'));

-- name: remove_callback_numbers
UPDATE callbacks b SET
    phone = NULL,
    changed_at = CASE WHEN state IN ('open', 'taken') THEN $3 ELSE changed_at END,
    state = CASE WHEN state IN ('open', 'taken') THEN 'unreachable' ELSE state END
WHERE b.id IN (
    SELECT id FROM callbacks old
    WHERE phone IS NOT NULL
      AND CASE WHEN state IN ('open', 'taken') THEN greatest(asked_at, not_before) ELSE changed_at END < $1
      AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = old.call_id AND h.released_at IS NULL)
    LIMIT $2
);

-- name: callback_numbers_to_remove
SELECT count(*) FROM callbacks old
WHERE phone IS NOT NULL
  AND CASE WHEN state IN ('open', 'taken') THEN greatest(asked_at, not_before) ELSE changed_at END < $1
  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = old.call_id AND h.released_at IS NULL);

-- name: remove_callbacks
-- Whose number is gone, and whose call's time is over.
DELETE FROM callbacks b WHERE b.id IN (
    SELECT id FROM callbacks old
    WHERE phone IS NULL AND call_started_at < $1 AND changed_at < $1
      AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = old.call_id AND h.released_at IS NULL)
    LIMIT $2
);

-- name: callbacks_to_remove
SELECT count(*) FROM callbacks old
WHERE phone IS NULL AND call_started_at < $1 AND changed_at < $1
  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.call_id = old.call_id AND h.released_at IS NULL);

-- name: remove_runs
-- The last run and the last success of each job stay, whatever their age: alerts look at them.
DELETE FROM ops_runs r WHERE r.id IN (
    SELECT id FROM ops_runs old
    WHERE started_at < $1 AND finished_at IS NOT NULL
      AND EXISTS (SELECT FROM ops_runs n WHERE n.job = old.job AND n.started_at > old.started_at)
      AND (verdict <> 'ok' OR EXISTS (SELECT FROM ops_runs n
           WHERE n.job = old.job AND n.verdict = 'ok' AND n.started_at > old.started_at))
    LIMIT $2
);

-- name: runs_to_remove
SELECT count(*) FROM ops_runs old
WHERE started_at < $1 AND finished_at IS NOT NULL
  AND EXISTS (SELECT FROM ops_runs n WHERE n.job = old.job AND n.started_at > old.started_at)
  AND (verdict <> 'ok' OR EXISTS (SELECT FROM ops_runs n
       WHERE n.job = old.job AND n.verdict = 'ok' AND n.started_at > old.started_at));

-- name: calls_on_hold
SELECT DISTINCT call_id FROM legal_holds WHERE released_at IS NULL;
