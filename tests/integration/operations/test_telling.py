"""A machine's metrics of jobs that were run elsewhere, with no scheduler anywhere."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.records.ops_measures import measures_file, read_measures
from engine.records.ops_telling import RunsTeller
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.runs import Run, Runs
from tests.integration.operations.site import NOW, Site


def _backup(report: Report | None) -> Job:
    async def run(_: JobContext) -> Report:
        if report is None:
            raise JobFailed("the disk is full")
        return report

    return Job("backup", "", run)


async def test_what_ran_elsewhere_is_told(site: Site, connection: Any, tmp_path: Path) -> None:
    pod = Site(site.url, tmp_path / "pod")
    file = measures_file(site.state_dir)
    await pod.ran(_backup(Report(Verdict.OK, "", figures={"bytes": 5})), "backup-1")
    await pod.ran(_backup(None), "backup-2", NOW + timedelta(days=1))
    await RunsTeller(lambda: site.url, file).tell()
    assert read_measures(file)["backup"] == {
        "last_run": "backup-2",
        "last_started": (NOW + timedelta(days=1)).timestamp(),
        "last_finished": (NOW + timedelta(days=1)).timestamp(),
        "last_duration_s": 0.0,
        "last_verdict": "failed",
        "last_success": NOW.timestamp(),
        "figures": {"bytes": 5.0},
    }


async def test_the_carrier_of_the_log_in_a_pod_is_told_while_it_goes(site: Site, connection: Any) -> None:
    file = measures_file(site.state_dir)
    assert await Runs(site.url).begin(Run("wal-1", "job"), "wal", NOW.timestamp())
    await Runs(site.url).tell("wal", {"kept_timestamp": 10.0, "told_timestamp": 12.0})
    await RunsTeller(lambda: site.url, file).tell()
    assert read_measures(file)["wal"]["figures"] == {"kept_timestamp": 10.0, "told_timestamp": 12.0}


async def test_it_goes_on_where_the_database_is_away(site: Site, connection: Any, tmp_path: Path) -> None:
    await Site(site.url, tmp_path / "pod").ran(_backup(Report(Verdict.OK, "")), "backup-1")
    urls = ["", "postgresql://nobody@127.0.0.1:9/none", site.url]
    file, looked = measures_file(site.state_dir), 0

    async def sleep(_: float) -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise asyncio.CancelledError

    try:
        await RunsTeller(lambda: urls[looked], file, sleep=sleep).run()
    except asyncio.CancelledError:
        assert read_measures(file)["backup"]["last_run"] == "backup-1"
    else:
        raise AssertionError("it ended by itself")
