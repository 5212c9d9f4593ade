"""Hands a run that is due to whoever carries it out: Ray's job server where there is one, else a process beside us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from ops.jobs.job import JobFailed
from ops.jobs.job_server import JobServer, JobServerAway
from ops.jobs.schedule import Due

logger = logging.getLogger(__name__)

NICE: Final = 10
"""Calls come first: a frame every 20 ms."""
STOP_SECONDS: Final = 10.0
"""What a run has, after SIGTERM, to record that it was stopped."""
LONGEST_LOG: Final = 4 << 20
"""Bytes: a job's log is begun anew where it is longer."""
AGAIN_SECONDS: Final = 60.0
"""How long a job server that did not answer is left alone."""
AGAIN: Final = "-again"
"""Behind the id of a run: the Ray job that makes it where the first one died before the run was recorded."""


class Submitter(Protocol):
    """Carries runs out."""

    async def submit(self, due: Due) -> None:
        """Begin a run; a second time with the same id does nothing. Raises JobFailed where it cannot be begun."""
        ...

    async def running(self) -> frozenset[str]:
        """Jobs with a run that was submitted here and has not ended."""
        ...

    async def close(self) -> None:
        """End what must not outlive the caller."""
        ...


def command(due: Due) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "ops.jobs", due.job, "--id", due.id, "--trigger", due.trigger, "--nice", str(NICE)]


class ProcessSubmitter:
    """Runs are processes of their own, which end when the caller does. Their output goes to a file a job."""

    def __init__(self, logs: Path, folder: Path, make: Callable[[Due], list[str]] = command) -> None:
        """``logs``: where their output goes; ``folder``: their working directory, for the settings' paths."""
        self._logs = logs
        self._folder = folder
        self._make = make
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._waiting: set[asyncio.Task[None]] = set()

    async def submit(self, due: Due) -> None:
        if due.job in self._running:
            return
        try:
            log = await asyncio.to_thread(_open_log, self._logs / f"ops-{due.job}.log", due.id)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._make(due),
                    "--with-parent",
                    str(os.getpid()),
                    stdout=log,
                    stderr=log,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            finally:
                os.close(log)
        except OSError as error:
            raise JobFailed(f"the run {due.id} could not be begun: {error.strerror}") from error
        self._running[due.job] = process
        task = asyncio.create_task(self._until_done(due, process))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def running(self) -> frozenset[str]:
        return frozenset(self._running)

    async def close(self) -> None:
        """SIGTERM, and SIGKILL for what is still there after ``STOP_SECONDS``."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=STOP_SECONDS)
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if self._waiting:
            await asyncio.wait(self._waiting, timeout=STOP_SECONDS)

    async def _until_done(self, due: Due, process: asyncio.subprocess.Process) -> None:
        # The run has a time limit of its own, and whoever closes us ends it.
        code = await process.wait()
        del self._running[due.job]
        level = logging.INFO if code in (0, 3) else logging.WARNING
        logger.log(level, "the run %s ended with exit code %d", due.id, code)


class RayJobSubmitter:
    """Runs are jobs of a Ray cluster, submitted to its job server under the id of the run: Ray refuses it twice.

    While the job server is away or too slow, another submitter has the runs, and the server is asked again after
    ``AGAIN_SECONDS``. What Ray may have taken in spite of that does no harm: whichever of two begins first under an id
    is recorded, and the other is skipped.
    """

    def __init__(
        self,
        server: JobServer,
        instead: Submitter,
        folder: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folder``: working directory of the runs, where it is this machine's; None: as the cluster has it.
        ``clock``: seconds that only go forward."""
        self._server = server
        self._instead = instead
        self._folder = folder
        self._clock = clock
        self._submitted: dict[str, str] = {}
        self._away_since: float | None = None
        """When it was last asked in vain."""

    async def submit(self, due: Due) -> None:
        if self._away_since is not None and self._clock() - self._away_since < AGAIN_SECONDS:
            await self._instead.submit(due)
            return
        try:
            submission = await self._submission(due)
        except JobServerAway as error:
            self._miss(error)
            await self._instead.submit(due)
            return
        if self._away_since is not None:
            self._away_since = None
            logger.info("Ray's job server answers again: it has the runs")
        if submission is None:
            raise JobFailed(f"the run {due.id} ended twice before it was recorded: `ray job logs {due.id}` may say why")
        self._submitted[due.job] = submission

    async def _submission(self, due: Due) -> str | None:
        """The id of the Ray job that makes the run; None where both that may do so have ended.

        The scheduler asks for a run only while it is not recorded: a Ray job of its id that has ended died before that.
        Ray takes no id twice, so there is a second one, for the same run.
        """
        line = shlex.join(command(due))
        if self._folder is not None:
            line = f"cd {shlex.quote(str(self._folder))} && exec {line}"
        for submission in (due.id, f"{due.id}{AGAIN}"):
            if await self._server.submit(line, submission) or await self._server.lives(submission):
                return submission
        return None

    async def running(self) -> frozenset[str]:
        found = set(await self._instead.running())
        for job, submission in list(self._submitted.items()):
            try:
                lives = await self._server.lives(submission)
            except JobServerAway as error:
                # A run that goes on unseen holds its job's lock: one that is begun beside it is skipped.
                self._submitted.clear()
                self._miss(error)
                break
            if lives:
                found.add(job)
            else:
                del self._submitted[job]
        return frozenset(found)

    async def close(self) -> None:
        """The runs that Ray took are the cluster's, and go on."""
        await self._instead.close()

    def _miss(self, error: JobServerAway) -> None:
        if self._away_since is None:
            logger.warning("Ray's job server does not answer (%s): runs are processes here until it does", error)
        self._away_since = self._clock()


def _open_log(file: Path, run: str) -> int:
    """A descriptor to append to."""
    file.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    if file.exists() and file.stat().st_size > LONGEST_LOG:
        flags |= os.O_TRUNC
    handle = os.open(file, flags, 0o600)
    os.write(handle, f"--- {run}\n".encode())
    return handle
