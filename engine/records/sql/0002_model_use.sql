-- What chat models used, in tokens. NULL where it is not known: recorded by a release before this one, or the provider
-- told nothing. Not 0, which says that none were used.

ALTER TABLE call_turns                       -- of the agent's row, or the caller's where it stands alone
    ADD COLUMN model_asked   integer,        -- requests since the turn before, dropped and failed ones included
    ADD COLUMN model_unknown integer,        -- of these: whose tokens were not told, or not all of them
    ADD COLUMN input_tokens  bigint,         -- as far as they were told
    ADD COLUMN output_tokens bigint;

ALTER TABLE calls                            -- the sums of its turns, and of what came after the last one
    ADD COLUMN model_asked   integer,
    ADD COLUMN model_unknown integer,
    ADD COLUMN input_tokens  bigint,
    ADD COLUMN output_tokens bigint;

-- A month that retention has detached and not dropped yet may have to be attached again: it must be as the others are.
DO $$
DECLARE
    month record;
BEGIN
    FOR month IN
        SELECT c.oid::regclass AS name
        FROM (VALUES ('calls'), ('call_turns')) AS parent (name)
        JOIN pg_class c ON c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass(parent.name))
            AND c.relkind = 'r' AND c.relname ~ ('^' || parent.name || '_[0-9]{4}_[0-9]{2}$')
        WHERE NOT c.relispartition
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ADD COLUMN model_asked integer, ADD COLUMN model_unknown integer,'
            ' ADD COLUMN input_tokens bigint, ADD COLUMN output_tokens bigint', month.name);
    END LOOP;
END $$;
