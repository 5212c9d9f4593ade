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
