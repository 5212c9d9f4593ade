"""The table ``ops_runs``: what ran, when, and how it ended."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import asyncpg

import engine.records
from engine.sql import FAULTS, named_queries
from ops.jobs.database import connected
from ops.jobs.job import JobFailed, Report, Verdict

RECORD_SECONDS: Final = 10.0
LOCK_CLASS: Final = 0x6F7073
"""First half of the jobs' advisory locks, so that they meet no other's; the second is a hash of the job's name."""
STOPPED: Final = "stopped"
"""In a report's details: the run was stopped before it was done, and may be begun again."""
LONGEST_SUMMARY: Final = 2000
LONGEST_DETAILS: Final = 200_000
"""Characters of JSON; what is longer is not recorded."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job."""

    id: str
    trigger: str
    """``schedule``, ``catch-up``, ``hand`` or ``job`` (a trigger from outside: a timer, Kubernetes, ``ray job``)."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it is recorded."""

    id: str
    job: str
    trigger: str
    node: str
    started_at: float
    finished_at: float | None
    verdict: Verdict | None
    """None: it runs, or it was killed."""
    summary: str
    figures: Mapping[str, float]
    lives: bool = False
    """It runs."""

    @property
    def shown(self) -> str:
        """Its verdict, or what takes the place of one."""
        return self.verdict or ("runs" if self.lives else "killed")


@dataclass(frozen=True, slots=True)
class Known:
    """Ids of runs that are not to be begun."""

    done: frozenset[str]
    """For good."""
    under_way: frozenset[str]
    """Now; where one is killed it is to be begun again."""


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The named queries of ``ops_runs.sql``."""
    return named_queries(Path(engine.records.__file__).parent / "sql" / "ops_runs.sql")


class Runs:
    """Reads and writes ``ops_runs``; each method opens a connection of its own, for a job may run for hours.

    Every method raises JobFailed where the database is away or has no such table.
    """

    def __init__(self, database: str) -> None:
        self._database = database

    async def begin(self, run: Run, job: str, now: float) -> bool:
        """Record that it begins; False where a run of that id was made before, or was killed or stopped twice. The
        caller holds the job's lock."""
        async with _asking(self._database) as connection:
            await connection.fetch(queries()["bury_runs"], job, _moment(now), run.id)
            row = await connection.fetchrow(
                queries()["begin_run"], run.id, job, run.trigger, platform.node(), _moment(now)
            )
            return row is not None

    async def is_under_way(self, run: Run, started: float) -> bool:
        """Whether the row of the run that began then has no end yet: nobody has begun it anew, or buried it."""
        async with _asking(self._database) as connection:
            return bool(await connection.fetchval(queries()["under_way"], run.id, _moment(started)))

    async def end(self, run: Run, report: Report, started: float, now: float) -> bool:
        """Record how the run that began then ended; False where its row is another's by now."""
        details = json.dumps(report.details, ensure_ascii=False, default=str)
        if len(details) > LONGEST_DETAILS:
            details = json.dumps({"omitted": f"{len(details)} characters"})
        async with _asking(self._database) as connection:
            row = await connection.fetchval(
                queries()["end_run"],
                run.id,
                _moment(now),
                report.verdict.value,
                report.summary[:LONGEST_SUMMARY],
                details,
                json.dumps(dict(report.figures)),
                _moment(started),
            )
            return row is not None

    async def known(self, ids: Collection[str]) -> Known:
        """Those of ``ids`` that are not to be begun."""
        async with _asking(self._database) as connection:
            rows = await connection.fetch(queries()["known_runs"], list(ids), LOCK_CLASS)
        done = frozenset(row["id"] for row in rows if row["done"])
        return Known(done, frozenset(row["id"] for row in rows) - done)

    async def first(self) -> float | None:
        """When the first run of all began; None where there was none yet."""
        async with _asking(self._database) as connection:
            at = await connection.fetchval(queries()["first_run"])
            return None if at is None else at.timestamp()

    async def tell(self, job: str, figures: Mapping[str, float]) -> None:
        """How the run of a job that goes on is: other machines' metrics show it."""
        async with _asking(self._database) as connection:
            await connection.execute(queries()["figures_of_run"], job, json.dumps(dict(figures)))

    async def history(self, job: str | None, limit: int) -> list[RunRow]:
        """The last runs, the newest first."""
        async with _asking(self._database) as connection:
            return [_row(row) for row in await connection.fetch(queries()["history"], job, limit, LOCK_CLASS)]


@contextlib.asynccontextmanager
async def _asking(database: str) -> AsyncIterator[Any]:
    """A short connection whose every fault is a JobFailed."""
    async with connected(database, statement_ms=int(RECORD_SECONDS * 1000), timeout=RECORD_SECONDS) as connection:
        try:
            yield connection
        except asyncpg.UndefinedTableError as error:
            raise JobFailed("the records' database has no table ops_runs: run `trunkline db migrate`") from error
        except FAULTS as error:
            raise JobFailed(f"the records' database failed ({type(error).__name__})") from error


def _row(row: Any) -> RunRow:
    finished = row["finished_at"]
    return RunRow(
        id=row["id"],
        job=row["job"],
        trigger=row["trigger"],
        node=row["node"],
        started_at=row["started_at"].timestamp(),
        finished_at=None if finished is None else finished.timestamp(),
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        summary=row["summary"],
        figures=json.loads(row["figures"]),
        lives=bool(row.get("lives")),
    )


def _moment(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
