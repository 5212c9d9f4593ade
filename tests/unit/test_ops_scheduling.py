"""The loop that begins the jobs, on a clock that is set by hand, without a database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.config import load_settings
from engine.records.ops_measures import measures_file, read_measures
from ops import scheduling
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.measures import note_begin, note_end
from ops.jobs.schedule import Due
from ops.scheduling import AGAIN_AFTER, MOST_TRIES, Scheduler


async def _nothing(_: JobContext) -> Report:
    return Report(Verdict.OK, "")


def _job(name: str, cron: str, limit: float = 60) -> Job:
    return Job(name, "", _nothing, cron, time_limit=limit)


class Begun:
    """Takes runs, and says that they run until it is told otherwise."""

    def __init__(self, file: Path, wall: Callable[[], float]) -> None:
        self.wall = wall
        self.dues: list[Due] = []
        self.busy: set[str] = set()
        self.recording = True
        self.away = False
        self._file = file

    async def submit(self, due: Due) -> None:
        self.dues.append(due)
        self.busy.add(due.job)
        if self.recording:
            note_begin(self._file, due.job, due.id, self.wall())

    async def running(self) -> frozenset[str]:
        if self.away:
            raise JobFailed("Ray is away")
        return frozenset(self.busy)

    async def close(self) -> None:
        """Nothing."""


class Stage:
    """A scheduler without a database: what ran is known from the metrics file alone."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, jobs: list[Job], more: Mapping[str, str] = {}
    ) -> None:
        monkeypatch.setattr(scheduling, "records_database", lambda _: "")
        self.settings = load_settings({"TRUNKLINE_STATE_DIR": str(folder), **more})
        self.file = measures_file(self.settings.paths.state_dir)
        self.now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
        self.begun = Begun(self.file, self.wall)
        self.jobs = jobs
        self.scheduler = self.another()

    def wall(self) -> float:
        return self.now.timestamp()

    def another(self) -> Scheduler:
        """One that knows nothing of the first, as after a restart."""
        return Scheduler(self.settings, self.jobs, self.begun, wall=self.wall)

    async def at(self, hour: int, minute: int = 0, *, day: int = 22) -> list[str]:
        self.now = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
        return [due.id for due in await self.scheduler.tick()]


DAILY = [_job("partitions", "10 3 * * *"), _job("backup", "30 3 * * *")]


async def test_each_run_begins_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY)
    assert await stage.at(2) == ["partitions-2026-11-21T03-10Z"]  # a new site has its partitions made at once
    stage.begun.busy.clear()
    assert await stage.at(3, 9) == []
    assert await stage.at(3, 10) == ["partitions-2026-11-22T03-10Z"]
    stage.begun.busy.clear()
    assert await stage.at(3, 10) == []
    assert await stage.at(3, 30) == ["backup-2026-11-22T03-30Z"]
    assert [due.trigger for due in stage.begun.dues] == ["catch-up", "schedule", "schedule"]


async def test_what_is_not_set_up_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [DAILY[0], replace(DAILY[1], set_up=lambda settings: bool(settings.backup.to))]
    assert "backup" not in Stage(tmp_path, monkeypatch, jobs).scheduler.next_times()
    more = {"TRUNKLINE_BACKUP_TO": str(tmp_path / "backups")}
    assert "backup" in Stage(tmp_path, monkeypatch, jobs, more).scheduler.next_times()


async def test_a_restarted_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY)
    await stage.at(2)
    stage.begun.busy.clear()
    stage.scheduler = stage.another()
    assert await stage.at(3, 11) == ["partitions-2026-11-22T03-10Z"]
    stage.begun.busy.clear()
    stage.scheduler = stage.another()
    assert await stage.at(3, 12) == []


async def test_days_that_were_missed_are_caught_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY)
    await stage.at(2)
    stage.begun.busy.clear()
    stage.scheduler = stage.another()
    assert await stage.at(12, day=27) == ["partitions-2026-11-27T03-10Z", "backup-2026-11-27T03-30Z"]
    assert [due.trigger for due in stage.begun.dues[1:]] == ["catch-up", "catch-up"]


async def test_no_more_than_two_at_once_and_none_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [_job(name, "0 3 * * *") for name in ("partitions", "backup", "dump")] + [_job("wal", "* * * * *", 0)]
    stage = Stage(tmp_path, monkeypatch, jobs)
    assert await stage.at(2) == ["partitions-2026-11-21T03-00Z", "wal-2026-11-22T02-00Z"]
    assert await stage.at(3) == ["backup-2026-11-22T03-00Z"]  # wal goes on by itself; partitions still runs
    assert await stage.at(3, 1) == []
    stage.begun.busy -= {"backup"}
    assert await stage.at(3, 2) == ["dump-2026-11-22T03-00Z"]
    stage.begun.busy -= {"partitions"}
    assert await stage.at(3, 3) == ["partitions-2026-11-22T03-00Z"]


async def test_a_run_that_never_began_is_tried_again_a_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY[:1])
    stage.begun.recording = False
    times = 0
    for _ in range(MOST_TRIES + 3):
        times += len(await stage.scheduler.tick())
        stage.begun.busy.clear()
        assert await stage.scheduler.tick() == ()
        stage.now += AGAIN_AFTER
    assert times == MOST_TRIES


async def test_faults_are_told_once_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY)
    ticks = 0

    class Enough(Exception):
        pass

    async def sleep(_: float) -> None:
        nonlocal ticks
        ticks += 1
        stage.begun.away = ticks < 3
        if ticks == 5:
            raise Enough

    stage.begun.away = True
    scheduler = Scheduler(stage.settings, DAILY, stage.begun, wall=stage.wall, sleep=sleep)
    with caplog.at_level(logging.INFO), pytest.raises(Enough):
        await scheduler.run()
    told = [record.getMessage() for record in caplog.records if record.name == "ops.scheduling"]
    assert told == [
        "jobs wait: Ray is away",
        "the run partitions-2026-11-21T03-10Z was begun (catch-up)",
        "jobs run again",
    ]


async def test_it_says_when_jobs_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, monkeypatch, DAILY, {"TRUNKLINE_OPS_CRONS": "backup=off"})
    assert stage.scheduler.next_times() == {"partitions": datetime(2026, 11, 22, 3, 10, tzinfo=UTC).timestamp()}


def test_the_file_keeps_the_last_success(tmp_path: Path) -> None:
    file = measures_file(tmp_path)
    note_begin(file, "backup", "backup-1", 100.0)
    note_end(file, "backup", Report(Verdict.OK, "", figures={"bytes": 5}), 100.0, 130.0)
    note_end(file, "backup", Report(Verdict.FAILED, ""), 200.0, 201.0)
    assert read_measures(file)["backup"] == {
        "last_run": "backup-1",
        "last_started": 100.0,
        "last_finished": 201.0,
        "last_duration_s": 1.0,
        "last_verdict": "failed",
        "last_success": 130.0,
        "figures": {"bytes": 5.0},
    }
