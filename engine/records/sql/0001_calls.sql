-- Calls, their turns and their tool calls, a partition a month (UTC) of the call's start; and what is beside them.
-- A row of a turn or a tool stands in the month of its call, so that a month is kept or dropped as a whole.

CREATE TABLE calls (
    id               uuid NOT NULL,                  -- the AudioSocket UUID
    started_at       timestamptz NOT NULL,
    ended_at         timestamptz,                    -- NULL while it lasts
    caller           text,                           -- E.164 where the PBX said it so; NULL: withheld, or erased
    dialled          text NOT NULL DEFAULT '',
    channel          text NOT NULL DEFAULT '',
    node             text NOT NULL DEFAULT '',       -- the host that carried it
    playbook         text NOT NULL DEFAULT '',
    playbook_version text NOT NULL DEFAULT '',       -- digest of the folder; see prompt_versions
    language         text NOT NULL DEFAULT '',
    scenario         text,                           -- what the caller wanted: the name of the first tool that did it
    outcome          text CHECK (outcome IN ('resolved', 'transferred', 'abandoned', 'failed', 'refused')),
    next             text CHECK (next IN ('operator', 'hangup')),
    ending_reason    text,                           -- as the call's own "ended" event says
    transfer_reason  text,
    order_id         text,
    booking_id       text,
    turns            integer NOT NULL DEFAULT 0,
    interruptions    integer NOT NULL DEFAULT 0,
    failures         integer NOT NULL DEFAULT 0,     -- events "failure": something outside failed
    takeovers        integer NOT NULL DEFAULT 0,
    marks            jsonb NOT NULL DEFAULT '{}',    -- {event id: kind}: what is counted in the two above
    quality_score    real,                           -- 0 to 1; NULL: not scored
    quality          jsonb,                          -- {criterion: {score, by, why}}, eight of them
    cost             jsonb NOT NULL DEFAULT '{}',    -- {part: amount} in the currency of the settings
    text_removed_at  timestamptz,
    erased_at        timestamptz,
    PRIMARY KEY (started_at, id)
) PARTITION BY RANGE (started_at);

CREATE INDEX calls_by_id ON calls (id);
CREATE INDEX calls_by_caller ON calls (caller, started_at DESC) WHERE caller IS NOT NULL;
CREATE INDEX calls_not_scored ON calls (ended_at) WHERE quality_score IS NULL AND ended_at IS NOT NULL;

CREATE TABLE call_turns (
    event_id        uuid NOT NULL,
    call_id         uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    at              timestamptz NOT NULL,            -- when the turn was over
    turn            integer NOT NULL,
    speaker         text NOT NULL CHECK (speaker IN ('caller', 'agent', 'operator')),
    text            text,                            -- as heard; NULL: removed after its time, or erased
    confidence      real,
    stages          jsonb NOT NULL DEFAULT '{}',     -- seconds from the end of the caller's speech, by stage
    interrupted     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (call_started_at, event_id, speaker)
) PARTITION BY RANGE (call_started_at);

CREATE INDEX call_turns_by_call ON call_turns (call_id, turn);

CREATE TABLE call_tool_calls (
    event_id        uuid NOT NULL,
    call_id         uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    at              timestamptz NOT NULL,
    turn            integer,
    name            text NOT NULL,
    arguments       jsonb,                           -- NULL: removed after their time, or erased
    result          jsonb,
    duration_s      real NOT NULL,
    success         boolean NOT NULL,
    error           text,                            -- its code, nobody's words
    PRIMARY KEY (call_started_at, event_id)
) PARTITION BY RANGE (call_started_at);

CREATE INDEX call_tool_calls_by_call ON call_tool_calls (call_id, at);

-- Where no month's partition is there yet. The partition job makes months ahead, and moves rows out of these.
CREATE TABLE calls_default PARTITION OF calls DEFAULT;
CREATE TABLE call_turns_default PARTITION OF call_turns DEFAULT;
CREATE TABLE call_tool_calls_default PARTITION OF call_tool_calls DEFAULT;

-- How far each outbox has been written; changed in the transaction that writes its rows.
CREATE TABLE recorder_cursors (
    outbox     uuid PRIMARY KEY,
    position   bigint NOT NULL,                      -- number of the first record that is not written
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE legal_holds (
    call_id         uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    reason          text NOT NULL,
    placed_at       timestamptz NOT NULL DEFAULT now(),
    released_at     timestamptz,
    PRIMARY KEY (call_id, placed_at)
);

CREATE TABLE erasures (
    id            uuid PRIMARY KEY,
    caller_digest bytea NOT NULL,                    -- keyed, so that it is nobody's number
    requested_at  timestamptz NOT NULL,
    done_at       timestamptz,
    receipt       jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE customers (
    phone         text PRIMARY KEY,
    name          text,
    first_call_at timestamptz NOT NULL,
    last_call_at  timestamptz NOT NULL,
    calls         integer NOT NULL DEFAULT 1
);

CREATE TABLE operators (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL,
    extension  text NOT NULL UNIQUE,
    skills     text[] NOT NULL DEFAULT '{}',
    state      text NOT NULL DEFAULT 'offline' CHECK (state IN ('offline', 'available', 'busy', 'pause')),
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE callbacks (
    id              uuid PRIMARY KEY,
    call_id         uuid NOT NULL,
    call_started_at timestamptz NOT NULL,
    phone           text,                            -- NULL: erased
    asked_at        timestamptz NOT NULL,
    not_before      timestamptz,
    reason          text NOT NULL DEFAULT '',
    state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'done', 'unreachable')),
    taken_by        text,
    changed_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX callbacks_open ON callbacks (asked_at) WHERE state IN ('open', 'taken');

CREATE TABLE prompt_versions (
    playbook   text NOT NULL,
    version    text NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    name       text NOT NULL DEFAULT '',
    share      real NOT NULL DEFAULT 1 CHECK (share BETWEEN 0 AND 1),
    content    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (playbook, version)
);

CREATE TABLE daily_stats (
    day      date NOT NULL,                          -- of the business's time zone
    playbook text NOT NULL,
    figures  jsonb NOT NULL,                         -- see docs/operations.md
    made_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, playbook)
);

CREATE TABLE admin_users (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    login         text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('viewer', 'supervisor', 'admin', 'auditor')),
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz
);

CREATE TABLE audit_log (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    actor    text NOT NULL,
    action   text NOT NULL,
    object   text NOT NULL DEFAULT '',
    details  jsonb NOT NULL DEFAULT '{}',
    previous bytea,                                  -- hash of the entry before
    hash     bytea NOT NULL
);

CREATE TABLE ops_runs (
    id          text PRIMARY KEY,                    -- the submission id, such as partitions-2026-11-22T03:10Z
    job         text NOT NULL,
    trigger     text NOT NULL,                       -- schedule, catch-up, hand, job
    node        text NOT NULL DEFAULT '',
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,                         -- NULL: it runs, or it died
    verdict     text CHECK (verdict IN ('ok', 'skipped', 'failed')),
    summary     text NOT NULL DEFAULT '',
    details     jsonb NOT NULL DEFAULT '{}',
    figures     jsonb NOT NULL DEFAULT '{}'          -- numbers that metrics show: bytes, rows, seconds
);

CREATE INDEX ops_runs_by_job ON ops_runs (job, started_at DESC);
