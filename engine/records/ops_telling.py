"""Brings what the database knows of the jobs' runs to this machine's metrics, whoever made them and wherever."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.records.ops_file import change_entry
from engine.sql import FAULTS, named_queries

TELL_SECONDS: Final = 60.0
ASK_SECONDS: Final = 10.0
_AWAY: Final = (*FAULTS, ValueError)
_FINISH: Final = ("last_finished", "last_duration_s", "last_verdict")

logger = logging.getLogger(__name__)


class RunsTeller:
    """Runs for as long as the engine does, by whatever trigger the jobs are begun: a timer, a pod, another machine."""

    def __init__(
        self,
        url: Callable[[], str],
        file: Path,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        """``url``: of the records' database, asked before each look; empty while there is none. ``file``: see
        ``ops_measures.measures_file``."""
        self._url = url
        self._file = file
        self._sleep = sleep
        self._complaint = ""

    async def run(self) -> None:
        """Until it is cancelled; a fault is told once, and the next look comes."""
        while True:
            try:
                await self.tell()
            except _AWAY as error:
                self._complain(type(error).__name__)
            except Exception as error:  # the next look comes whatever it was
                if self._complain(type(error).__name__):
                    logger.exception("the metrics of jobs that ran elsewhere cannot be told")
            else:
                self._complain("")
            await self._sleep(TELL_SECONDS)

    async def tell(self) -> None:
        """Look once. Raises what asyncpg raises, TimeoutError, OSError where the file cannot be written."""
        if not (url := self._url()):
            return
        query = named_queries(Path(__file__).parent / "sql" / "ops_runs.sql")["latest_runs"]
        connection = await asyncpg.connect(url, timeout=ASK_SECONDS, command_timeout=ASK_SECONDS)
        try:
            rows = await connection.fetch(query)
        finally:
            connection.terminate()
        for row in rows:
            await asyncio.to_thread(note_elsewhere, self._file, row["job"], entry_of(row))

    def _complain(self, text: str) -> bool:
        """Whether it is a new one."""
        new = bool(text) and text != self._complaint
        if new:
            logger.warning("the metrics of jobs that ran elsewhere cannot be brought up to date (%s)", text)
        self._complaint = text
        return new


def entry_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``latest_runs`` as the file has it."""
    started, finished, success = (
        None if row[name] is None else row[name].timestamp() for name in ("started_at", "finished_at", "last_success")
    )
    assert started is not None
    return {
        "last_run": row["id"],
        "last_started": started,
        "last_finished": finished,
        "last_duration_s": None if finished is None else finished - started,
        "last_verdict": row["verdict"],
        "last_success": success,
        "figures": json.loads(row["figures"]) if row["figures"] else None,
    }


def note_elsewhere(file: Path, job: str, known: Mapping[str, Any]) -> None:
    """What the database knows of a job, where it is newer than what this machine has seen: another machine had it.

    ``known`` holds entries as the file has them. Raises OSError.
    """

    def change(entry: dict[str, Any]) -> None:
        def newer(name: str) -> bool:
            return (known.get(name) or 0) > (entry.get(name) or 0)

        ended = newer("last_finished")
        if ended or newer("last_started"):
            _take(entry, known, "last_run", "last_started")
        if ended:
            _take(entry, known, *_FINISH)
        if newer("last_success"):
            _take(entry, known, "last_success")
        # A run that goes on tells its figures while it does, and when it told them.
        told = (known.get("figures") or {}).get("told_timestamp") or 0
        if ended or "figures" not in entry or told > (entry["figures"].get("told_timestamp") or 0):
            _take(entry, known, "figures")

    change_entry(file, job, change)


def _take(entry: dict[str, Any], known: Mapping[str, Any], *names: str) -> None:
    entry.update({name: known[name] for name in names if known.get(name) is not None})
