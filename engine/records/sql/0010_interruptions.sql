-- Where the caller cut in: how much of the agent's answer, in milliseconds of its speech, had been heard by then.

ALTER TABLE call_turns ADD COLUMN interrupted_at_ms integer;
