-- Runs of the jobs.

-- name: begin_run
-- A run that was killed or stopped half-way is begun again under its id, once: what ends its machine must not do so for
-- ever. Whoever holds the job's lock knows that it is dead.
INSERT INTO ops_runs AS run (id, job, trigger, node, started_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE
SET trigger = EXCLUDED.trigger, node = EXCLUDED.node, started_at = EXCLUDED.started_at, finished_at = NULL,
    verdict = NULL, summary = '', figures = '{}', details = '{"begun_again": true}'
WHERE run.job = EXCLUDED.job AND NOT run.details ? 'begun_again'
  AND (run.finished_at IS NULL OR run.details ? 'stopped')
RETURNING id;

-- name: end_run
UPDATE ops_runs
SET finished_at = $2, verdict = $3, summary = $4, figures = $6,
    details = $5::jsonb || CASE WHEN details ? 'begun_again' THEN '{"begun_again": true}'::jsonb ELSE '{}' END
WHERE id = $1 AND started_at = $7 AND (finished_at IS NULL OR finished_at = $2)
RETURNING id;

-- name: under_way
SELECT EXISTS (SELECT FROM ops_runs WHERE id = $1 AND started_at = $2 AND finished_at IS NULL);

-- name: bury_runs
-- Whoever holds the job's lock knows that no other run of it lives; one that may still be begun again, the run $3, stays.
UPDATE ops_runs
SET finished_at = $2, verdict = 'failed',
    summary = CASE WHEN details ? 'begun_again' THEN 'its end was never recorded: it was killed twice'
                   ELSE 'its end was never recorded: it was killed' END
WHERE job = $1 AND finished_at IS NULL AND (id <> $3 OR details ? 'begun_again')
RETURNING id;

-- name: known_runs
-- Runs that are not to be begun: ``done`` for good, or not done and under way, that is, their job's lock ($2, and a hash
-- of its name) is held. What is left out was killed or stopped half-way, and may be begun again.
WITH found AS (
    SELECT id,
           details ? 'begun_again' OR (finished_at IS NOT NULL AND NOT details ? 'stopped') AS done,
           EXISTS (
               SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND classid::bigint = $2::integer AND objsubid = 2
                 AND objid::bigint = hashtext(job)::bigint & 4294967295
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
           ) AS lives
    FROM ops_runs WHERE id = ANY($1::text[])
)
SELECT id, done FROM found WHERE done OR lives;

-- name: first_run
SELECT min(started_at) FROM ops_runs;

-- name: figures_of_run
-- Of the run of a job that goes on.
UPDATE ops_runs SET figures = $2 WHERE job = $1 AND finished_at IS NULL;

-- name: latest_runs
-- The last run of each job, when it last succeeded, and the last figures it told.
WITH latest AS (
    SELECT DISTINCT ON (job) id, job, started_at, finished_at, verdict FROM ops_runs ORDER BY job, started_at DESC
)
SELECT latest.*,
       (SELECT run.finished_at FROM ops_runs run WHERE run.job = latest.job AND run.verdict = 'ok'
        ORDER BY run.started_at DESC LIMIT 1) AS last_success,
       (SELECT run.figures FROM ops_runs run WHERE run.job = latest.job AND run.figures <> '{}'
        ORDER BY run.started_at DESC LIMIT 1) AS figures
FROM latest ORDER BY job;

-- name: history
-- A run without an end lives where its job's lock is held (see known_runs), and is the last one of its job.
SELECT id, job, trigger, node, started_at, finished_at, verdict, summary, details, figures,
       finished_at IS NULL AND EXISTS (
           SELECT FROM pg_locks
           WHERE locktype = 'advisory' AND granted AND classid::bigint = $3::integer AND objsubid = 2
             AND objid::bigint = hashtext(job)::bigint & 4294967295
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       ) AS lives
FROM ops_runs WHERE $1::text IS NULL OR job = $1
ORDER BY started_at DESC, id DESC LIMIT $2;
