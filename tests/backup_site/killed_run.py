"""A run that is going to be killed: carries the log, or has a throw-away server up. For a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time

from engine.config import load_settings
from ops.backup.programs import find_programs
from ops.backup.site import Site
from ops.backup.throwaway import fresh
from ops.backup.throwaway_account import account
from ops.jobs import wal
from ops.jobs.job import JobContext


async def carry(url: str) -> None:
    """Until it is killed."""
    await wal.JOB.run(JobContext(load_settings(), url, time.time))


async def serve(version: str) -> None:
    """Until it is killed."""
    settings = load_settings()
    site = Site.of(settings, time.time)
    programs = find_programs(settings.postgres_programs, version)
    async with site.workshop("test") as work, fresh(programs, account(settings), work, {}):
        print("up", flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run({"carry": carry, "serve": serve}[sys.argv[1]](sys.argv[2]))
