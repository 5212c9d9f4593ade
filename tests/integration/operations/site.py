"""A site for the tests of the jobs: a database with the records' tables, settings, and calls in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest

import engine.records
from engine.config import Settings, load_settings
from ops.jobs.job import Job, JobContext, Report
from ops.jobs.running import Ran, run_job
from ops.jobs.runs import Run

SQL: Final = Path(engine.records.__file__).parent / "sql"
NOW: Final = datetime(2026, 11, 22, 3, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Site:
    """Its database, and where it keeps its files."""

    url: str
    state_dir: Path

    def settings(self, more: Mapping[str, str] | None = None) -> Settings:
        return load_settings(self.environment(more))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Settings of a process of this site; the database is found as the embedded one is."""
        folder = self.state_dir / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "url").write_text(self.url)
        return {"TRUNKLINE_STATE_DIR": str(self.state_dir), **(more or {})}

    async def connect(self) -> Any:
        return await asyncpg.connect(self.url, server_settings={"timezone": "UTC"})

    def context(
        self,
        now: datetime = NOW,
        more: Mapping[str, str] | None = None,
        *,
        arguments: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> JobContext:
        return JobContext(self.settings(more), self.url, now.timestamp, arguments or {}, dry_run)

    async def run(self, job: Job, now: datetime = NOW, more: Mapping[str, str] | None = None, **asked: Any) -> Report:
        """What the job tells, run by itself."""
        return await job.run(self.context(now, more, **asked))

    async def ran(self, job: Job, run_id: str = "", now: datetime = NOW, **asked: Any) -> Ran:
        """The whole way, recorded."""
        return await run_job(job, self.context(now, **asked), Run(run_id or f"{job.name}-{uuid4()}", "hand"))


async def new_site(server: str, name: str, state_dir: Path) -> Site:
    """With an empty database of that name, in place of the one there was, and the tables in it."""
    connection = await asyncpg.connect(server)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    site = Site(f"{server.rpartition('/')[0]}/{name}", state_dir)
    await make_tables(site.url)
    return site


async def make_tables(url: str) -> None:
    connection = await asyncpg.connect(url)
    for file in sorted(SQL.glob("[0-9]*.sql")):
        await connection.execute(file.read_text(encoding="utf-8"))
    await connection.close()


async def begin_detach(site: Site, connection: Any, parent: str, name: str) -> None:
    """Begin to detach a partition concurrently, and break it off: a reader is in the way."""
    await connection.execute(f"DROP TABLE {parent}_default")  # with one it detaches at once or not
    reader = await site.connect()
    snapshot = reader.transaction(isolation="repeatable_read")
    await snapshot.start()
    await reader.fetchval(f"SELECT count(*) FROM {parent}")
    await connection.execute("SET statement_timeout = 300")
    with pytest.raises(asyncpg.QueryCanceledError, match="timeout"):
        await connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {name} CONCURRENTLY")
    await snapshot.rollback()
    await reader.close()
    await connection.execute("SET statement_timeout = 0")


async def add_call(connection: Any, at: datetime, *, words: str = "four winter tyres") -> UUID:
    """A call with two turns and a tool call."""
    call = uuid4()
    await connection.execute("INSERT INTO calls (id, started_at, ended_at, turns) VALUES ($1, $2, $2, 2)", call, at)
    for turn, speaker in enumerate(("caller", "agent")):
        await connection.execute(
            "INSERT INTO call_turns (event_id, call_id, call_started_at, at, turn, speaker, text)"
            " VALUES ($1, $2, $3, $3, $4, $5, $6)",
            uuid4(),
            call,
            at,
            turn,
            speaker,
            words,
        )
    await connection.execute(
        "INSERT INTO call_tool_calls"
        " (event_id, call_id, call_started_at, at, name, arguments, result, duration_s, success)"
        " VALUES ($1, $2, $3, $3, 'search_tires', $4, $4, 0.1, true)",
        uuid4(),
        call,
        at,
        json.dumps({"words": words}),
    )
    return call


async def partitions(connection: Any, parent: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = to_regclass($1) ORDER BY 1",
        parent,
    )
    return [row[0] for row in rows]


async def counts(connection: Any) -> tuple[int, int, int]:
    """Calls, turns and tool calls."""
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM call_turns), (SELECT count(*) FROM call_tool_calls)"
    )
    return tuple(row)


def with_limit(job: Job, seconds: float) -> Job:
    return dataclasses.replace(job, time_limit=seconds)
