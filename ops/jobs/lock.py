"""A job's lock: one run of it in the whole site, for as long as the run takes, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from engine.sql import FAULTS
from ops.jobs.database import connected, try_lock
from ops.jobs.job import JobFailed
from ops.jobs.runs import LOCK_CLASS

LOOK_SECONDS: Final = 10.0
"""Between two looks at whether the connection that holds it lives."""
ASK_SECONDS: Final = 10.0


class JobLock:
    """It belongs to a transaction, so that no pool and no crash can keep it. The transaction reads nothing while the
    job runs: it holds no snapshot, and vacuum is not held up.
    """

    def __init__(self, database: str, job: str) -> None:
        self._database = database
        self._job = job
        self._held = contextlib.AsyncExitStack()
        self._connection: Any = None

    async def take(self) -> bool:
        """False where another has it. Raises JobFailed where the database is away."""
        async with contextlib.AsyncExitStack() as held:
            connection = await held.enter_async_context(connected(self._database))
            try:
                await connection.transaction(isolation="read_committed").start()
                free = await try_lock(
                    connection, "SELECT pg_try_advisory_xact_lock($1, hashtext($2))", LOCK_CLASS, self._job
                )
            except FAULTS as error:
                raise JobFailed(f"the records' database failed ({type(error).__name__})") from error
            if free:
                self._held, self._connection = held.pop_all(), connection
            return free

    async def keep(self, is_ours: Callable[[], Awaitable[bool]]) -> None:
        """Take it again whenever the server has lost it: it was restarted, or the network was away for long. Returns
        once ``is_ours`` says that somebody else has begun meanwhile; until then goes on.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if await self._lives():
                continue
            await self.close()
            with contextlib.suppress(JobFailed):  # it is away: nobody else can begin either
                if not await self.take() and not await is_ours():
                    return

    async def _lives(self) -> bool:
        if self._connection is None:
            return False
        try:
            await self._connection.execute("SELECT 1", timeout=ASK_SECONDS)  # plain: see try_lock
        except FAULTS:
            return False
        return True

    async def close(self) -> None:
        """Let go of it."""
        self._connection = None
        await self._held.aclose()
