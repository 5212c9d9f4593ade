"""The share of the retention job that lies beside the months: customers, call-backs, runs of jobs, dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import engine.records
from engine.config import Settings
from engine.config.terms import days_kept
from engine.sql import named_queries
from ops.jobs.dead_letters import PLACE, remove_old

ROWS: Final = 1000
"""Of one transaction: calls are being recorded beside it."""
PAUSE: Final = 0.02
"""Seconds between two of them."""
_QUERIES: Final = {
    "callback_numbers": ("callback_numbers_to_remove", "remove_callback_numbers"),
    "callbacks": ("callbacks_to_remove", "remove_callbacks"),
    "customers": ("customers_to_remove", "remove_customers"),
    "runs": ("runs_to_remove", "remove_runs"),
}
"""What counts and what removes each, in the order in which they go: a call-back keeps its customer."""


@lru_cache(maxsize=1)
def queries() -> dict[str, str]:
    """The named queries of ``sql/retention.sql``."""
    return named_queries(Path(engine.records.__file__).parent / "sql" / "retention.sql")


def limits(settings: Settings, now: datetime) -> Mapping[str, datetime]:
    """What is older has had its time, by what is counted."""
    terms = settings.terms
    days = {
        "callback_numbers": terms.callbacks_days,
        "callbacks": days_kept(settings.retention, terms)["calls"],
        "customers": terms.customers_days,
        "runs": terms.runs_days,
        "dead_letters": terms.dead_letters_days,
    }
    return {name: now - timedelta(days=number) for name, number in days.items()}


async def due(connection: Any, settings: Settings, now: datetime) -> dict[str, int]:
    """How much would be removed. Raises asyncpg.PostgresError, OSError."""
    before = limits(settings, now)
    counts = {name: int(await connection.fetchval(queries()[_QUERIES[name][0]], before[name])) for name in _QUERIES}
    counts["dead_letters"] = await _dead_letters(connection, settings, before["dead_letters"], dry_run=True)
    return counts


async def remove(connection: Any, settings: Settings, now: datetime) -> dict[str, float]:
    """How much was removed. Raises asyncpg.PostgresError, OSError; what was removed until then is gone."""
    before = limits(settings, now)
    removed = {}
    for name in _QUERIES:
        more = (now,) if name == "callback_numbers" else ()
        removed[name] = 0.0
        while True:
            done = await connection.execute(queries()[_QUERIES[name][1]], before[name], ROWS, *more)
            rows = int(done.rpartition(" ")[2])
            removed[name] += rows
            if rows < ROWS:
                break
            await asyncio.sleep(PAUSE)
    removed["dead_letters"] = float(await _dead_letters(connection, settings, before["dead_letters"], dry_run=False))
    return removed


def sql_of(name: str, before: datetime) -> str:
    """The statement as a person could run it."""
    text = queries()[_QUERIES[name][1]].replace("$1", f"'{before.isoformat()}'").replace("LIMIT $2", "LIMIT ALL")
    return text.replace("$3", "now()") + ";"


async def _dead_letters(connection: Any, settings: Settings, before: datetime, *, dry_run: bool) -> int:
    held = {str(row["call_id"]) for row in await connection.fetch(queries()["calls_on_hold"])}
    file = settings.paths.state_dir / PLACE
    return await asyncio.to_thread(remove_old, file, before.timestamp(), held, dry_run=dry_run)
