-- Where the caller cut in: how much of the agent's answer, in milliseconds of its speech, had been heard by then.

ALTER TABLE call_turns ADD COLUMN interrupted_at_ms integer;

-- A month that retention has detached and not dropped yet may have to be attached again: it must be as the others are.
DO $$
DECLARE
    month record;
BEGIN
    FOR month IN
        SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('call_turns'))
            AND relkind = 'r' AND relname ~ '^call_turns_[0-9]{4}_[0-9]{2}$' AND NOT relispartition
    LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN interrupted_at_ms integer', month.name);
    END LOOP;
END $$;
