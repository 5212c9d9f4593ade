"""Metrics of the jobs: read on each scrape from the file that the jobs write, ``STATE_DIR/metrics/ops.json``.

A job is a process that has ended long before anybody asks for metrics; the file is what it leaves to be asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

VERDICTS: Final = ("ok", "skipped", "failed")
PARTITION_FIGURES: Final = {
    "months_ahead": "Whole months after the present one that have a partition, as the partitions job last saw it.",
    "default_rows": "Rows in the default partition, as the partitions job last left them.",
}
"""Figures of the job ``partitions`` that are metrics by table; there they are named such as ``default_rows.calls``."""

WAL_FIGURES: Final = {
    "kept_timestamp": "Log that the server had written by this time is kept.",
    "told_timestamp": "When the log's carrier last said how it is.",
    "slot_held_bytes": "Log that the server holds back until it is kept.",
    "slot_limit_bytes": "Bytes after which the server gives up what is not kept (max_slot_wal_keep_size); -1: never.",
    "reconnects": "How often the run of the log's carrier that goes on, or the last one, had to begin anew.",
    "gap": "1 where log was lost before it was kept and no full backup has begun since, else 0.",
}
"""Figures of the job ``wal``, which it tells while it runs."""


def measures_file(state_dir: Path) -> Path:
    """Where the jobs of this machine write their metrics."""
    return state_dir / "metrics" / "ops.json"


def read_measures(file: Path) -> dict[str, dict[str, Any]]:
    """What is known of each job, by its name; empty where no job has run yet. Raises OSError and ValueError."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    told = json.loads(text)
    jobs = told.get("jobs") if isinstance(told, dict) else None
    if not isinstance(jobs, dict):
        raise ValueError("not the jobs' metrics")  # noqa: TRY004 - of a file, not of a caller
    return {str(name): entry for name, entry in jobs.items() if isinstance(entry, dict)}


class OpsCollector(Collector):
    """Reads the file when metrics are asked for."""

    def __init__(
        self, file: Path, registry: CollectorRegistry = REGISTRY, wall: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._wall = wall
        registry.register(self)

    def collect(self) -> list[Metric]:
        readable = GaugeMetricFamily(
            "trunkline_ops_metrics_readable", "1 where the jobs' metrics could be read, else 0."
        )
        try:
            jobs = read_measures(self._file)
            families = [*_families(jobs), *_wal_families(jobs, self._wall())]
        except (OSError, ValueError, TypeError, AttributeError):
            readable.add_metric([], 0.0)
            return [readable]
        readable.add_metric([], 1.0)
        return [readable, *families]


def _families(jobs: dict[str, dict[str, Any]]) -> list[Metric]:
    times = {
        key: GaugeMetricFamily(f"trunkline_ops_{name}", text, labels=["job"])
        for key, name, text in (
            ("last_success", "last_success_timestamp_seconds", "When a job last succeeded."),
            ("last_finished", "last_finish_timestamp_seconds", "When a job last ended, however it did."),
            ("last_started", "last_start_timestamp_seconds", "When a job last began."),
            ("last_duration_s", "last_duration_seconds", "How long a job's last run took."),
        )
    }
    verdicts = GaugeMetricFamily(
        "trunkline_ops_last_verdict", "1 for the verdict of a job's last run, else 0.", labels=["job", "verdict"]
    )
    figures = GaugeMetricFamily("trunkline_ops_figure", "What a job's last run counted.", labels=["job", "name"])
    partitions = {
        name: GaugeMetricFamily(f"trunkline_partitions_{name}", text, labels=["table"])
        for name, text in PARTITION_FIGURES.items()
    }
    for job, entry in sorted(jobs.items()):
        for key, family in times.items():
            if entry.get(key) is not None:
                family.add_metric([job], float(entry[key]))
        if entry.get("last_verdict") in VERDICTS:
            for verdict in VERDICTS:
                verdicts.add_metric([job, verdict], float(verdict == entry["last_verdict"]))
        for name, value in sorted(entry.get("figures", {}).items()):
            figure, _, table = name.partition(".")
            if job == "wal" and name in WAL_FIGURES:
                continue
            if job == "partitions" and table and figure in partitions:
                partitions[figure].add_metric([table], float(value))
            else:
                figures.add_metric([job, name], float(value))
    return [*times.values(), verdicts, figures, *partitions.values()]


def _wal_families(jobs: dict[str, dict[str, Any]], now: float) -> list[Metric]:
    """Of the log's carrier; the age grows on where it has died."""
    figures = jobs.get("wal", {}).get("figures", {})
    found: list[Metric] = []
    for name, text in WAL_FIGURES.items():
        if name in figures:
            exported = name.replace("timestamp", "timestamp_seconds")
            found.append(GaugeMetricFamily(f"trunkline_wal_{exported}", text, value=float(figures[name])))
    if figures.get("kept_timestamp"):
        text = "For how long the newest log has not been known to be kept."
        age = max(0.0, now - float(figures["kept_timestamp"]))
        found.append(GaugeMetricFamily("trunkline_wal_age_seconds", text, value=age))
    return found
