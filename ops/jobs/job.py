"""What a job is, what it is given and what it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from engine.config import Settings
from engine.errors import TrunklineError


class Verdict(StrEnum):
    """How a run ended."""

    OK = "ok"
    SKIPPED = "skipped"
    """Nothing was done, for a reason that is none of a fault: another run is under way, say, or it is not set up."""
    FAILED = "failed"


EXIT_CODES: Final = {Verdict.OK: 0, Verdict.FAILED: 1, Verdict.SKIPPED: 3}
"""2 stays for a command line or settings that are wrong."""


class JobFailed(TrunklineError):
    """A job could not do its work; the message is for the operator and holds nobody's data."""

    figures: Mapping[str, float] = MappingProxyType({})
    """Numbers that metrics show in spite of it, as those of a report."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run tells."""

    verdict: Verdict
    summary: str
    """One line for the operator."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Ready for JSON; nobody's number, name or words."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Numbers that metrics show, such as ``bytes``, ``rows``, ``seconds``."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a run is given."""

    settings: Settings
    database: str
    """URL of the records' PostgreSQL; empty: there is none."""
    wall: Callable[[], float]
    """Seconds since 1970-01-01 UTC."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """``--name value`` of the command line, by name; the job refuses what it does not know (ConfigurationError)."""
    dry_run: bool = False
    """Say what would be done, on stdout, and do nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the catalogue."""

    name: str
    """As in ``trunkline ops run NAME``: small letters and hyphens."""
    help: str
    run: Callable[[JobContext], Awaitable[Report]]
    """Raises JobFailed, ConfigurationError, or whatever else: all of it is a failed run."""
    schedule: str = ""
    """Cron expression, five fields, in the time zone of the settings; empty: by hand only. A setting may replace it."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Names it knows, each with its help."""
    time_limit: float = 3600.0
    """Seconds after which a run is ended as failed; 0: it goes on until it is stopped."""
    set_up: Callable[[Settings], bool] = lambda _settings: True
    """Whether the settings give it something to do; where not, the scheduler leaves it alone."""
