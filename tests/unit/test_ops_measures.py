"""The jobs' metrics, as a scrape sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from engine.records.ops_measures import OpsCollector, measures_file, read_measures
from engine.records.ops_telling import note_elsewhere
from ops.jobs.job import Report, Verdict
from ops.jobs.measures import note_begin, note_end, note_figures


def _scraped(file: Path) -> list[str]:
    registry = CollectorRegistry()
    OpsCollector(file, registry)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_before_any_job_ran(tmp_path: Path) -> None:
    assert _scraped(measures_file(tmp_path)) == ["trunkline_ops_metrics_readable 1.0"]


def test_after_runs(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    figures = {"created": 15, "months_ahead.calls": 3, "default_rows.calls": 0}
    note_begin(file, "partitions", "partitions-1", 1000.0)
    note_end(file, "partitions", Report(Verdict.OK, "", figures=figures), 1000.0, 1002.5)
    note_begin(file, "backup", "backup-1", 2000.0)
    note_end(file, "backup", Report(Verdict.FAILED, ""), 2000.0, 2001.0)
    assert set(_scraped(file)) == {
        "trunkline_ops_metrics_readable 1.0",
        'trunkline_ops_last_success_timestamp_seconds{job="partitions"} 1002.5',
        'trunkline_ops_last_finish_timestamp_seconds{job="partitions"} 1002.5',
        'trunkline_ops_last_finish_timestamp_seconds{job="backup"} 2001.0',
        'trunkline_ops_last_start_timestamp_seconds{job="partitions"} 1000.0',
        'trunkline_ops_last_start_timestamp_seconds{job="backup"} 2000.0',
        'trunkline_ops_last_duration_seconds{job="partitions"} 2.5',
        'trunkline_ops_last_duration_seconds{job="backup"} 1.0',
        'trunkline_ops_last_verdict{job="partitions",verdict="ok"} 1.0',
        'trunkline_ops_last_verdict{job="partitions",verdict="skipped"} 0.0',
        'trunkline_ops_last_verdict{job="partitions",verdict="failed"} 0.0',
        'trunkline_ops_last_verdict{job="backup",verdict="ok"} 0.0',
        'trunkline_ops_last_verdict{job="backup",verdict="skipped"} 0.0',
        'trunkline_ops_last_verdict{job="backup",verdict="failed"} 1.0',
        'trunkline_ops_figure{job="partitions",name="created"} 15.0',
        'trunkline_partitions_months_ahead{table="calls"} 3.0',
        'trunkline_partitions_default_rows{table="calls"} 0.0',
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '{"jobs": []}', '{"jobs": {"a": {"figures": {"x": "y"}}}}'])
def test_a_file_that_is_broken_is_told(tmp_path: Path, text: str) -> None:
    file = measures_file(tmp_path)
    file.parent.mkdir()
    file.write_text(text)
    assert _scraped(file) == ["trunkline_ops_metrics_readable 0.0"]


def test_a_broken_file_is_written_anew(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    file.parent.mkdir()
    file.write_text("{")
    note_begin(file, "backup", "backup-1", 1.0)
    assert read_measures(file)["backup"]["last_run"] == "backup-1"
    assert [each.name for each in file.parent.iterdir() if each.suffix not in {".json", ".lock"}] == []


def test_what_ran_elsewhere_is_told_where_it_is_newer(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    note_begin(file, "backup", "backup-2", 200.0)
    note_end(file, "backup", Report(Verdict.OK, "", figures={"bytes": 2}), 200.0, 210.0)
    note_elsewhere(file, "backup", {"last_run": "backup-1", "last_finished": 110.0, "last_verdict": "failed"})
    assert read_measures(file)["backup"]["last_verdict"] == "ok"
    newer = {"last_run": "backup-3", "last_finished": 310.0, "last_verdict": "failed", "figures": None}
    note_elsewhere(file, "backup", newer)
    entry = read_measures(file)["backup"]
    assert (entry["last_run"], entry["last_verdict"], entry["last_success"]) == ("backup-3", "failed", 210.0)
    assert entry["figures"] == {"bytes": 2.0}


def test_a_run_that_goes_on_elsewhere_is_told_as_it_goes(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    known = {"last_run": "wal-1", "last_started": 100.0, "last_finished": None, "last_verdict": None}
    for told, gap in ((130.0, 0.0), (190.0, 1.0), (160.0, 0.0)):
        note_elsewhere(file, "wal", {**known, "figures": {"told_timestamp": told, "gap": gap}})
    assert read_measures(file)["wal"] == {
        "last_run": "wal-1",
        "last_started": 100.0,
        "figures": {"told_timestamp": 190.0, "gap": 1.0},
    }


def test_the_carrier_of_the_log_is_told_while_it_runs_and_its_age_grows_on(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    note_begin(file, "wal", "wal-1", 1000.0)
    note_figures(file, "wal", {"kept_timestamp": 1000, "slot_held_bytes": 5, "slot_limit_bytes": -1, "gap": 0})
    registry = CollectorRegistry()
    OpsCollector(file, registry, wall=lambda: 1090.0)
    lines = set(generate_latest(registry).decode().splitlines())
    assert {
        "trunkline_wal_age_seconds 90.0",
        "trunkline_wal_kept_timestamp_seconds 1000.0",
        "trunkline_wal_slot_held_bytes 5.0",
        "trunkline_wal_slot_limit_bytes -1.0",
        "trunkline_wal_gap 0.0",
    } <= lines
    assert not [line for line in lines if line.startswith("trunkline_ops_figure{")]
