"""A job from a command line: ``python -m ops.jobs NAME``, ``trunkline ops run NAME``, a Ray job, a timer."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, TrunklineError
from engine.logs import configure_logging
from ops.jobs.catalogue import MODULES, find_job
from ops.jobs.database import records_database
from ops.jobs.job import EXIT_CODES, Job, JobContext, JobFailed
from ops.jobs.running import Ran, check_arguments, hand_id, not_begun, run_job
from ops.jobs.runs import Run
from ops.jobs.schedule import last_due, run_id, timetable

USAGE: Final = """usage: python -m ops.jobs NAME [--scheduled] [--dry-run] [--ARGUMENT VALUE …]

  --scheduled   the run that was due last by the settings: it happens once, whoever else starts it
  --dry-run     say what would be done, and do nothing
  --id ID       name of the run        --trigger hand|job|schedule|catch-up    who starts it
  --nice N      lower its priority     --with-parent PID    end when that process ends

Jobs: {jobs}
Exit code 0: done; 1: failed; 2: this command line or the settings are wrong; 3: skipped, and why stands in the report,
one JSON object in the last line of stdout."""
_SWITCHES: Final = ("scheduled", "dry-run")
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command line asks for."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    scheduled: bool = False
    id: str = ""
    trigger: str = ""
    nice: int = 0
    parent: int = 0


def parse(words: Sequence[str]) -> Asked:
    """Raises ConfigurationError."""
    if not words or words[0].startswith("-"):
        raise ConfigurationError("the name of a job is missing")
    name, *rest = words
    given: dict[str, str] = {}
    switches: set[str] = set()
    while rest:
        word = rest.pop(0)
        option, separator, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not option:
            raise ConfigurationError("a word there is no option: write --name value")  # it may be a number
        if option in _SWITCHES and not separator:
            switches.add(option)
            continue
        if not separator:
            if not rest:
                raise ConfigurationError(f"--{option} needs a value")
            value = rest.pop(0)
        if option in given:
            raise ConfigurationError(f"--{option} was given twice")
        given[option] = value
    numbers = {}
    for option in ("nice", "with-parent"):
        text = given.pop(option, "0")
        if not text.isdecimal():
            raise ConfigurationError(f"--{option}: got {text!r}, expected a whole number")
        numbers[option] = int(text)
    return Asked(
        name=name,
        dry_run="dry-run" in switches,
        scheduled="scheduled" in switches,
        id=given.pop("id", ""),
        trigger=given.pop("trigger", ""),
        nice=numbers["nice"],
        parent=numbers["with-parent"],
        arguments=given,
    )


def main(words: Sequence[str]) -> int:
    """The exit code. The report is the last line of stdout."""
    if {"-h", "--help"} & set(words) or not words:
        print(USAGE.format(jobs=", ".join(MODULES)))
        return 0 if words else 2
    try:
        asked = parse(words)
        settings = load_settings()
        configure_logging(settings.logging)
        _prepare(asked)
        ran = execute(settings, asked)
    except TrunklineError as error:
        print(f"trunkline ops: {error}", file=sys.stderr)
        return 2
    print(ran.line(), flush=True)
    return EXIT_CODES[ran.report.verdict]


def execute(settings: Settings, asked: Asked, wall: Callable[[], float] = time.time) -> Ran:
    """Run what is asked for, until it is done or this process is asked to stop (SIGTERM, SIGINT).

    Raises ConfigurationError where the job, its arguments or its times are wrong; then nothing was done.
    """
    job = find_job(asked.name)
    run = _run_of(settings, job, asked, wall())
    context = JobContext(settings, "", wall, asked.arguments, asked.dry_run)
    check_arguments(job, context)
    try:
        context = replace(context, database=records_database(settings))
        return asyncio.run(_until_stopped(job, context, run))
    except JobFailed as error:
        return not_begun(job, context, run, error)
    except asyncio.CancelledError:
        return not_begun(job, context, run, JobFailed("stopped before it began, or while its end was recorded"))


async def _until_stopped(job: Job, context: JobContext, run: Run) -> Ran:
    task = asyncio.ensure_future(run_job(job, context, run))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _run_of(settings: Settings, job: Job, asked: Asked, now: float) -> Run:
    if not asked.scheduled:
        return Run(asked.id or hand_id(job.name, now), asked.trigger or "hand")
    if asked.id:
        raise ConfigurationError("--scheduled makes the name of the run: leave --id away")
    table = timetable(settings, [job])
    cron = table.crons.get(job.name)
    due = last_due(cron, table.zone, datetime.fromtimestamp(now, UTC)) if cron else None
    if due is None:
        raise ConfigurationError(f"the job {job.name} has no time of its own: leave --scheduled away")
    return Run(run_id(job.name, due), asked.trigger or "job")


def _prepare(asked: Asked) -> None:
    if asked.nice:
        os.nice(asked.nice)
    if asked.parent:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != asked.parent:
            raise ConfigurationError("the process that started this run has ended")
