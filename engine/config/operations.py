"""Settings of the jobs that keep a site in order, of when they run, and of how long records are kept."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.config.setting import setting


@dataclass(frozen=True, slots=True)
class OperationsSettings:
    """Jobs that keep a site in order, and when they run."""

    schedule: Literal["on", "off"] = setting(
        "on",
        "Whether `trunkline up` runs the jobs at their times; `off` where cron, systemd or Kubernetes does.",
        variable="OPS_SCHEDULE",
    )
    timezone: str = setting(
        "UTC",
        "Time zone of the jobs' times.",
        pattern=r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+)*",
        expected="a name such as `UTC` or `Europe/Kyiv`",
        variable="OPS_TIMEZONE",
    )
    crons: tuple[str, ...] = setting(
        (),
        "Times that replace the jobs' own: `job=cron`, divided by `|`; `job=off` runs it by hand only.",
        expected="`NAME=CRON|NAME=off…`, CRON five fields, such as `partitions=10 3 * * *|report=off`",
        variable="OPS_CRONS",
    )
    partitions_ahead: int = setting(
        3,
        "Months for which partitions are made in advance, after the present one.",
        unit="months",
        at_least=1,
        at_most=12,
        variable="PARTITIONS_AHEAD",
    )


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long the records of calls are kept."""

    text_days: int = setting(
        90,
        "What was said, and what tools were asked and answered, is removed after this time.",
        unit="days",
        at_least=1,
        at_most=36500,
        variable="RETENTION_TEXT_DAYS",
    )
    metadata_days: int = setting(
        365,
        "Whole months are removed once all of them is older than this.",
        unit="days",
        at_least=31,
        at_most=36500,
        variable="RETENTION_METADATA_DAYS",
    )
    export_dir: Path | None = setting(
        None,
        "Folder where a month is written as compressed CSV before it is removed; empty: it is removed unwritten.",
        expected="a path",
        variable="RETENTION_EXPORT_DIR",
    )
