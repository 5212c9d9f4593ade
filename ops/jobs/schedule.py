"""When jobs are due: cron expressions in a time zone, the name of each run, and what was missed. No I/O.

A run is named after the moment it was due, in UTC, whoever starts it: so it happens once, however many triggers fire. A
job that missed several of its times is due once, for the last of them. Where clocks are set forward over a job's time
it is due at the first moment after; where they are set back it is due once (as in Debian's cron).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.config import Settings
from engine.errors import ConfigurationError
from ops.jobs.catalogue import MODULES
from ops.jobs.job import Job

OFF: Final = "off"
LATE: Final = timedelta(minutes=5)
"""A run that begins later than this after its time is a catch-up."""
_LOOK_BACK: Final = (
    timedelta(hours=2),
    timedelta(days=2),
    timedelta(days=33),
    timedelta(days=367),
    timedelta(days=1500),
)
"""How far back the last time is looked for; a job due every minute is found in the first step."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The cron expression of each job that has one."""

    crons: Mapping[str, str]
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Due:
    """A run that should begin."""

    job: str
    at: datetime
    """When it was due, UTC."""
    trigger: str
    """``schedule`` or ``catch-up``."""

    @property
    def id(self) -> str:
        return run_id(self.job, self.at)


def timetable(settings: Settings, jobs: Iterable[Job]) -> Timetable:
    """The times of ``jobs`` as the settings have them.

    Raises ConfigurationError for a time zone, a job or an expression that is none.
    """
    zone, given = replacements(settings)
    crons = {job.name: given.get(job.name, job.schedule) for job in jobs}
    for name, cron in crons.items():
        if cron:
            _check(name, cron, zone)
    return Timetable({name: cron for name, cron in crons.items() if cron}, zone)


def replacements(settings: Settings) -> tuple[tzinfo, dict[str, str]]:
    """The time zone, and the times that the settings put in the place of the jobs' own (empty: by hand only).

    Raises ConfigurationError.
    """
    zone = _zone(settings.operations.timezone)
    given = {}
    for one in settings.operations.crons:
        name, separator, cron = (part.strip() for part in one.partition("="))
        if not separator or name not in MODULES:
            raise ConfigurationError(
                f"TRUNKLINE_OPS_CRONS: got {one!r}, expected JOB=CRON or JOB=off; jobs: {', '.join(MODULES)}"
            )
        given[name] = "" if cron == OFF else cron
        if given[name] or not cron:
            _check(name, cron, zone)
    return zone, given


def next_due(cron: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The first time after ``now``, UTC; None where there is none within fifty years."""
    for moment in CronSim(cron, now.astimezone(zone)):
        if moment > now:  # in the hour that comes twice, it starts over with the first one
            return moment.astimezone(UTC)
    return None


def last_due(cron: str, zone: tzinfo, now: datetime) -> datetime | None:
    """The last time that is not after ``now``, UTC; None where there was none in four years."""
    for back in _LOOK_BACK:
        last = None
        for moment in CronSim(cron, (now - back).astimezone(zone)):
            if moment > now:
                break
            last = moment
        if last is not None:
            return last.astimezone(UTC)
    return None


def run_id(job: str, at: datetime) -> str:
    """Such as ``partitions-2026-11-22T03-10Z``."""
    return f"{job}-{at.astimezone(UTC):%Y-%m-%dT%H-%MZ}"


def last_runs(table: Timetable, now: datetime) -> tuple[Due, ...]:
    """The last time of each job, the earliest first."""
    found = []
    for name, cron in table.crons.items():
        at = last_due(cron, table.zone, now)
        if at is not None:
            found.append(Due(name, at, "schedule" if now - at <= LATE else "catch-up"))
    return tuple(sorted(found, key=lambda due: due.at))


def still_due(
    candidates: Iterable[Due], known: Collection[str], *, since: datetime, at_once: Collection[str] = ()
) -> tuple[Due, ...]:
    """Those of ``candidates`` to begin now: not among the ``known`` ids of runs, and not from before ``since``, when
    this site began; jobs named in ``at_once`` are due even then."""
    return tuple(due for due in candidates if due.id not in known and (due.at >= since or due.job in at_once))


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ConfigurationError(
            f"TRUNKLINE_OPS_TIMEZONE: got {name!r}, expected a time zone that this machine knows (package tzdata)"
        ) from error


def _check(name: str, cron: str, zone: tzinfo) -> None:
    fault = "" if len(cron.split()) == 5 else "not five fields"
    if not fault:
        try:
            CronSim(cron, datetime(2026, 1, 1, tzinfo=zone))
        except CronSimError as error:
            fault = str(error)
    if fault:
        raise ConfigurationError(
            f"the times of the job {name}: got {cron!r}, expected a cron expression of five fields ({fault})"
        )
