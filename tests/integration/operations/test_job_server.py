"""Runs by way of Ray's job server: gone, silent, broken and back, and runs that died before they were recorded."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.job_server import JobServer, JobServerAway
from ops.jobs.schedule import Due
from ops.jobs.submitting import AGAIN_SECONDS, RayJobSubmitter
from ops.scheduling import AGAIN_AFTER, MOST_TRIES, Scheduler
from tests.integration.operations.ray_job_server import RayJobServer
from tests.integration.operations.site import NOW, Site

BACKUP = Due("backup", datetime(2026, 11, 22, 2, 15, tzinfo=UTC), "schedule")
DUMP = Due("dump", datetime(2026, 11, 22, 3, 15, tzinfo=UTC), "catch-up")


class Beside:
    """Runs as processes, where none is made."""

    def __init__(self) -> None:
        self.dues: list[Due] = []
        self.busy: set[str] = set()

    async def submit(self, due: Due) -> None:
        self.dues.append(due)
        self.busy.add(due.job)

    async def running(self) -> frozenset[str]:
        return frozenset(self.busy)

    async def close(self) -> None:
        """Nothing."""


class Stage:
    """A submitter, its job server, and a clock that is set by hand."""

    def __init__(self, server: RayJobServer) -> None:
        self.server = server
        self.beside = Beside()
        self.now = 0.0
        self.submitter = RayJobSubmitter(JobServer(server.url, seconds=0.5), self.beside, clock=lambda: self.now)


@pytest.fixture
async def ray_jobs() -> AsyncIterator[RayJobServer]:
    server = RayJobServer()
    await server.start()
    yield server
    await server.stop()


async def test_a_run_is_ray_s_until_it_ends(ray_jobs: RayJobServer) -> None:
    stage = Stage(ray_jobs)
    await stage.submitter.submit(BACKUP)
    await stage.submitter.submit(BACKUP)
    assert ray_jobs.entrypoints.keys() == {BACKUP.id}
    assert f"-m ops.jobs backup --id {BACKUP.id} --trigger schedule" in ray_jobs.entrypoints[BACKUP.id]
    assert await stage.submitter.running() == {"backup"}
    ray_jobs.jobs[BACKUP.id] = "SUCCEEDED"
    assert await stage.submitter.running() == frozenset()
    assert stage.beside.dues == []


@pytest.mark.parametrize("trouble", ["gone", "silent", "broken"])
async def test_without_it_runs_are_processes_and_it_is_asked_again_later(
    ray_jobs: RayJobServer, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(ray_jobs)
    await stage.submitter.submit(BACKUP)
    if trouble == "gone":
        await ray_jobs.stop()
    else:
        setattr(ray_jobs, trouble, True)
    with caplog.at_level(logging.INFO, "ops.jobs.submitting"):
        assert await stage.submitter.running() == frozenset()  # what it cannot see it forgets
        await stage.submitter.submit(DUMP)
        assert await stage.submitter.running() == {"dump"}
        asked = ray_jobs.asked
        stage.now += AGAIN_SECONDS - 1
        await stage.submitter.submit(BACKUP)
        assert stage.beside.dues == [DUMP, BACKUP]
        assert ray_jobs.asked == asked
        ray_jobs.silent = ray_jobs.broken = False
        if trouble == "gone":
            await ray_jobs.start()
        stage.now += 1
        await stage.submitter.submit(DUMP)
    assert ray_jobs.jobs == {BACKUP.id: "PENDING", DUMP.id: "PENDING"}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "runs are processes here until it does" in told[0]
    assert told[1] == "Ray's job server answers again: it has the runs"


async def test_one_that_is_away_at_the_start_is_found_later() -> None:
    stage = Stage(server := RayJobServer())
    await stage.submitter.submit(BACKUP)
    assert stage.beside.dues == [BACKUP]
    await server.start()
    try:
        stage.now += AGAIN_SECONDS
        await stage.submitter.submit(DUMP)
        assert server.jobs == {DUMP.id: "PENDING"}
    finally:
        await server.stop()


async def test_a_silent_one_costs_one_question(ray_jobs: RayJobServer) -> None:
    asked = JobServer(ray_jobs.url, seconds=0.3)
    assert await asked.lives("nobody") is False
    ray_jobs.silent = True
    before = ray_jobs.asked
    for _ in range(3):
        with pytest.raises(JobServerAway, match="Timeout"):
            await asked.lives("nobody")
    assert ray_jobs.asked - before <= 3
    ray_jobs.silent = False
    assert await asked.submit("true", "one") is True


async def test_a_cluster_that_was_made_anew_knows_no_run(ray_jobs: RayJobServer) -> None:
    stage = Stage(ray_jobs)
    await stage.submitter.submit(BACKUP)
    ray_jobs.jobs.clear()
    assert await stage.submitter.running() == frozenset()
    await stage.submitter.submit(BACKUP)
    assert ray_jobs.jobs == {BACKUP.id: "PENDING"}


async def test_a_run_that_died_unrecorded_is_made_again_once(ray_jobs: RayJobServer) -> None:
    stage = Stage(ray_jobs)
    await stage.submitter.submit(BACKUP)
    ray_jobs.jobs[BACKUP.id] = "FAILED"
    assert await stage.submitter.running() == frozenset()
    await stage.submitter.submit(BACKUP)
    again = f"{BACKUP.id}-again"
    assert ray_jobs.jobs == {BACKUP.id: "FAILED", again: "PENDING"}
    assert ray_jobs.entrypoints[again] == ray_jobs.entrypoints[BACKUP.id]  # the run is the same one
    await stage.submitter.submit(BACKUP)
    assert await stage.submitter.running() == {"backup"}
    ray_jobs.jobs[again] = "FAILED"
    with pytest.raises(JobFailed, match="ended twice before it was recorded"):
        await stage.submitter.submit(BACKUP)
    assert len(ray_jobs.jobs) == 2
    assert stage.beside.dues == []


async def test_the_scheduler_goes_on_whatever_the_job_server_does(
    site: Site, connection: object, ray_jobs: RayJobServer
) -> None:
    async def nothing(_: JobContext) -> Report:
        return Report(Verdict.OK, "")

    stage, now = Stage(ray_jobs), NOW

    def wall() -> float:
        return now.timestamp()

    jobs = [Job("partitions", "", nothing, "10 3 * * *"), Job("backup", "", nothing, "10 3 * * *")]
    scheduler = Scheduler(site.settings(), jobs, stage.submitter, wall=wall)
    partitions, backup = "partitions-2026-11-22T03-10Z", "backup-2026-11-22T03-10Z"
    assert {due.id for due in await scheduler.tick()} == {partitions, backup}
    ray_jobs.jobs = {partitions: "FAILED", backup: "FAILED"}  # neither was recorded
    ray_jobs.jobs[f"{partitions}-again"] = "FAILED"
    ray_jobs.entrypoints[f"{partitions}-again"] = ""
    now += AGAIN_AFTER
    assert [due.id for due in await scheduler.tick()] == [backup]  # a run that cannot be begun stops no other
    await ray_jobs.stop()
    now += timedelta(days=1)
    assert {due.id for due in await scheduler.tick()} == {
        "partitions-2026-11-23T03-10Z",
        "backup-2026-11-23T03-10Z",
    }
    assert len(stage.beside.dues) == 2
    for _ in range(MOST_TRIES):
        now += AGAIN_AFTER
        await scheduler.tick()
    assert len(stage.beside.dues) == 2  # they run still
