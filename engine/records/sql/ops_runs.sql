-- Runs of the jobs.

-- name: begin_run
INSERT INTO ops_runs (id, job, trigger, node, started_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- name: end_run
UPDATE ops_runs SET finished_at = $2, verdict = $3, summary = $4, details = $5, figures = $6 WHERE id = $1;

-- name: bury_runs
-- Whoever holds the job's lock knows that no other run of it lives.
UPDATE ops_runs SET finished_at = $2, verdict = 'failed', summary = 'its end was never recorded: it was killed'
WHERE job = $1 AND finished_at IS NULL
RETURNING id;

-- name: known_runs
SELECT id FROM ops_runs WHERE id = ANY($1::text[]);

-- name: first_run
SELECT min(started_at) FROM ops_runs;

-- name: latest_runs
SELECT DISTINCT ON (job) id, job, trigger, node, started_at, finished_at, verdict, summary, figures
FROM ops_runs ORDER BY job, started_at DESC;

-- name: latest_successes
SELECT DISTINCT ON (job) job, finished_at FROM ops_runs WHERE verdict = 'ok' ORDER BY job, started_at DESC;

-- name: history
SELECT id, job, trigger, node, started_at, finished_at, verdict, summary, details, figures
FROM ops_runs WHERE $1::text IS NULL OR job = $1
ORDER BY started_at DESC, id DESC LIMIT $2;
