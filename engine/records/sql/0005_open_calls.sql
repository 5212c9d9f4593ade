-- Calls without an end, and those whose end the job "endings" gave: it looks for them in 40 days, every quarter of an
-- hour, and there are next to none. A month that retention has detached gets its own when it is attached again.

CREATE INDEX calls_without_end ON calls (started_at) WHERE ended_at IS NULL OR ending_reason = 'engine_lost';
