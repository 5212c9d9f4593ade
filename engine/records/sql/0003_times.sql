-- A call begins at a moment that a clock can say. A row at infinity, before 1970 or after 9998 would be of no month: it
-- would stay in a default partition for ever, its words would never be old, and whoever reads it here would fail at it.
-- Rows that are there are not looked at one by one (NOT VALID); the few that are of no month are in the default
-- partitions, and begin now: they have their time, and go like any other.

ALTER TABLE calls ADD CONSTRAINT calls_have_a_time
    CHECK (started_at >= '1970-01-01 00:00+00' AND started_at < '9999-01-01 00:00+00') NOT VALID;
ALTER TABLE call_turns ADD CONSTRAINT call_turns_have_a_time
    CHECK (call_started_at >= '1970-01-01 00:00+00' AND call_started_at < '9999-01-01 00:00+00') NOT VALID;
ALTER TABLE call_tool_calls ADD CONSTRAINT call_tool_calls_have_a_time
    CHECK (call_started_at >= '1970-01-01 00:00+00' AND call_started_at < '9999-01-01 00:00+00') NOT VALID;

UPDATE calls SET started_at = now()
WHERE started_at < '1970-01-01 00:00+00' OR started_at >= '9999-01-01 00:00+00';
UPDATE call_turns SET call_started_at = now()
WHERE call_started_at < '1970-01-01 00:00+00' OR call_started_at >= '9999-01-01 00:00+00';
UPDATE call_tool_calls SET call_started_at = now()
WHERE call_started_at < '1970-01-01 00:00+00' OR call_started_at >= '9999-01-01 00:00+00';
UPDATE legal_holds SET call_started_at = now()
WHERE call_started_at < '1970-01-01 00:00+00' OR call_started_at >= '9999-01-01 00:00+00';
UPDATE callbacks SET call_started_at = now()
WHERE call_started_at < '1970-01-01 00:00+00' OR call_started_at >= '9999-01-01 00:00+00';

-- A month that retention has detached and not dropped yet may have to be attached again: it must be as the others are.
DO $$
DECLARE
    month record;
BEGIN
    FOR month IN
        SELECT c.oid::regclass AS name, parent.name AS parent, parent.moment
        FROM (VALUES ('calls', 'started_at'), ('call_turns', 'call_started_at'), ('call_tool_calls', 'call_started_at'))
            AS parent (name, moment)
        JOIN pg_class c ON c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(parent.name))
            AND c.relkind = 'r' AND c.relname ~ ('^' || parent.name || '_[0-9]{4}_[0-9]{2}$')
        WHERE NOT c.relispartition
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I >= ''1970-01-01 00:00+00'' AND %I < ''9999-01-01 00:00+00'')',
            month.name, month.parent || '_have_a_time', month.moment, month.moment);
    END LOOP;
END $$;
