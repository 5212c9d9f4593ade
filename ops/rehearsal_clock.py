"""The clock of a rehearsed night, and who carries out there what the scheduler begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ops.jobs.schedule import Due

STEP: Final = timedelta(minutes=5)
"""How far the clock goes between two looks of the scheduler."""


class NightClock:
    """Goes on as the real one does, and is set forward between what happens; never back."""

    def __init__(self, begins: datetime) -> None:
        self._base = begins.timestamp()
        self._set_at = time.monotonic()

    def __call__(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._base + time.monotonic() - self._set_at

    @property
    def now(self) -> datetime:
        """As a time in UTC."""
        return datetime.fromtimestamp(self(), UTC)

    def set(self, moment: datetime) -> None:
        """Set it forward; a moment that has passed changes nothing."""
        if moment.timestamp() > self():
            self._base, self._set_at = moment.timestamp(), time.monotonic()


def last_evening(today: datetime) -> datetime:
    """Eight in the evening, UTC, of the last day of the month before last: weeks from the clock of any server."""
    first = today.replace(day=1, hour=20, minute=0, second=0, microsecond=0)
    return (first - timedelta(days=1)).replace(day=1) - timedelta(days=1)


class InTurn:
    """A ``Submitter`` that makes each run at once, in this process; those that go on are made beside it."""

    def __init__(self, make: Callable[[Due], Awaitable[None]], endless: str) -> None:
        self._make = make
        self._endless = endless
        self._going: asyncio.Task[None] | None = None

    async def submit(self, due: Due) -> None:
        if due.job != self._endless:
            await self._make(due)
        elif self._going is None:
            self._going = asyncio.create_task(_awaited(self._make(due)), name=due.id)

    async def running(self) -> frozenset[str]:
        return frozenset() if self._going is None or self._going.done() else frozenset({self._endless})

    async def close(self) -> None:
        """Stop what goes on, as the end of a scheduler does, and wait for its verdict."""
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)


async def _awaited(work: Awaitable[None]) -> None:
    await work
