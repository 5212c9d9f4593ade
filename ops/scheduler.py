"""The Ray actor that begins the jobs at their times: one a cluster, restarted by Ray where it dies."""
# ruff: noqa: PLC0415 - whoever names this actor does not pay for what it imports where it runs

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Any, Final

import ray

from engine.config import Settings

logger = logging.getLogger(__name__)

NAME: Final = "ops-scheduler"
STOP_SECONDS: Final = 25.0
ASK_SECONDS: Final = 15.0
"""For one that was left behind to say by which settings it runs; one that does not answer is replaced."""
FREE_SECONDS: Final = 20.0
"""For its name to be free once it was ended."""
NICENESS: Final = 5
"""Of the scheduler and the runs beside it: calls come first on a busy machine."""


@ray.remote(num_cpus=0, max_restarts=-1)
class SchedulerActor:
    """Keeps nothing: what ran stands in the database, and a restarted one goes on from there by itself."""

    async def __init__(self, settings: Settings, *, dashboard: str, folder: str) -> None:  # type: ignore[misc]
        """``dashboard``: URL of Ray's job server; empty: runs are processes beside this one. ``folder``: the working
        directory of runs; empty: as the cluster has it."""
        from engine.logs import configure_logging
        from ops.jobs.catalogue import catalogue
        from ops.scheduling import Scheduler

        self._made_for = (settings, dashboard, folder)
        configure_logging(settings.logging)
        os.nice(NICENESS)
        found = catalogue()
        if found.faults:
            logger.warning("some jobs do not run: %s", "; ".join(found.faults.values()))
        try:
            self._submitter = _submitter(settings, dashboard, folder)
            self._scheduler = Scheduler(settings, found.jobs, self._submitter, wall=time.time)
        except Exception as error:
            logger.error("jobs do not run by themselves: %s", error)
            raise
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._scheduler.run())

    async def status(self) -> dict[str, Any]:
        """When each job is due next, and which run now."""
        return {"next": self._scheduler.next_times(), "running": sorted(await self._submitter.running())}

    async def is_for(self, settings: Settings, dashboard: str, folder: str) -> bool:
        """Whether it would be made just so."""
        return self._made_for == (settings, dashboard, folder)

    async def stop(self) -> None:
        """Begin nothing more, and end what runs beside this process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self._submitter.close()


def _submitter(settings: Settings, dashboard: str, folder: str) -> Any:
    from ops.jobs.submitting import ProcessSubmitter, RayJobSubmitter

    processes = ProcessSubmitter(settings.paths.logs, Path(folder or "."))
    if not dashboard:
        return processes
    from ops.jobs.job_server import JobServer

    return RayJobSubmitter(JobServer(dashboard), processes, Path(folder) if folder else None)


def start_scheduler(settings: Settings, *, dashboard: str, folder: str) -> Any:
    """The scheduler's handle. One that an earlier engine left in the cluster is kept where its settings are the same,
    and replaced where they are not: it would go on by the old ones. Nobody waits for a new one: it tells its faults
    itself.
    """
    if (left := _left_behind()) is not None:
        with contextlib.suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
            if ray.get(left.is_for.remote(settings, dashboard, folder), timeout=ASK_SECONDS):
                return left
        logger.info("the scheduler of an earlier engine is replaced: its settings were others")
        stop_scheduler(left)
        deadline = time.monotonic() + FREE_SECONDS
        while _left_behind() is not None and time.monotonic() < deadline:
            time.sleep(0.1)
    actor = SchedulerActor.options(  # type: ignore[attr-defined]
        name=NAME, lifetime="detached", get_if_exists=True
    )
    return actor.remote(settings, dashboard=dashboard, folder=folder)


def _left_behind() -> Any:
    """The handle of the cluster's scheduler; None where there is none."""
    try:
        return ray.get_actor(NAME)
    except ValueError:
        return None


def stop_scheduler(handle: Any) -> None:
    """End it and what runs beside it, within a bounded time."""
    with contextlib.suppress(ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
        ray.get(handle.stop.remote(), timeout=STOP_SECONDS)
    with contextlib.suppress(ray.exceptions.RayError):
        ray.kill(handle)
