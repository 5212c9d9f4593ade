"""The scheduler's loop on a real ``ops_runs``: two of them, clocks that jump, a database that is away."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ops import scheduling
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.running import Ran, run_job
from ops.jobs.runs import Run
from ops.jobs.schedule import Due
from ops.jobs.submitting import ProcessSubmitter
from ops.scheduling import Scheduler
from tests.integration.operations.site import NOW, Site


class Machine:
    """A node with a scheduler and a state folder of its own; runs are made at once, in this process."""

    def __init__(self, site: Site, jobs: list[Job]) -> None:
        self.site = site
        self.jobs = {job.name: job for job in jobs}
        self.now = NOW
        self.ran: list[Ran] = []
        self.scheduler = Scheduler(site.settings(), jobs, self, wall=self.wall)

    def wall(self) -> float:
        return self.now.timestamp()

    async def submit(self, due: Due) -> None:
        context = JobContext(self.site.settings(), self.site.url, self.wall)
        self.ran.append(await run_job(self.jobs[due.job], context, Run(due.id, due.trigger)))

    async def running(self) -> frozenset[str]:
        return frozenset()

    async def close(self) -> None:
        """Nothing."""


def _jobs(made: list[str]) -> list[Job]:
    def job(name: str, cron: str) -> Job:
        async def run(_: JobContext) -> Report:
            made.append(name)
            await asyncio.sleep(0)
            return Report(Verdict.OK, "", figures={"rows": 1})

        return Job(name, "", run, cron)

    return [job("partitions", "10 3 * * *"), job("backup", "*/30 * * * *")]


async def _ids(connection: Any) -> list[str]:
    return [row["id"] for row in await connection.fetch("SELECT id FROM ops_runs ORDER BY started_at, id")]


async def test_two_schedulers_make_each_run_once(site: Site, connection: Any, tmp_path: Path) -> None:
    made: list[str] = []
    machines = [Machine(Site(site.url, tmp_path / str(number)), _jobs(made)) for number in range(2)]
    for _ in range(8):
        await asyncio.gather(*(machine.scheduler.tick() for machine in machines))
        for machine in machines:
            machine.now += timedelta(minutes=15)
    ids = await _ids(connection)
    assert len(ids) == len(set(ids)) == len(made)
    assert set(ids) == {
        "partitions-2026-11-22T03-10Z",
        *(f"backup-2026-11-22T{at}Z" for at in ("03-30", "04-00", "04-30")),
    }


async def test_a_run_that_was_killed_is_due_again_and_one_that_lives_is_not(site: Site, connection: Any) -> None:
    made: list[str] = []
    machine = Machine(site, _jobs(made)[:1])
    inside, go = asyncio.Event(), asyncio.Event()

    async def slow(_: JobContext) -> Report:
        inside.set()
        await go.wait()
        return Report(Verdict.OK, "")

    elsewhere = Site(site.url, site.state_dir / "elsewhere").context()
    run = Run("partitions-2026-11-22T03-10Z", "schedule")
    living = asyncio.create_task(run_job(Job("partitions", "", slow), elsewhere, run))
    await inside.wait()
    assert await machine.scheduler.tick() == ()
    # As the death of its machine leaves it: the lock is free, and no end is recorded.
    go.set()
    await living
    await connection.execute("UPDATE ops_runs SET finished_at = NULL, verdict = NULL")
    machine.now += timedelta(hours=6)
    assert [(due.id, due.trigger) for due in await machine.scheduler.tick()] == [(run.id, "catch-up")]
    machine.now += timedelta(hours=1)
    assert await machine.scheduler.tick() == ()
    assert (made, machine.ran[0].report.verdict) == (["partitions"], Verdict.OK)


async def test_whatever_the_clock_does_a_run_is_made_once(site: Site, connection: Any) -> None:
    made: list[str] = []
    machine = Machine(site, _jobs(made))
    moves = random.Random(4)
    for _ in range(60):
        await machine.scheduler.tick()
        machine.now += timedelta(minutes=moves.choice([1, 20, 30, 600, -1, -45, -3000, 100_000, -100_000]))
    ids = await _ids(connection)
    assert len(ids) == len(set(ids)) == len(made)
    assert {ran.report.verdict for ran in machine.ran} == {Verdict.OK}


async def test_a_database_that_is_away_is_waited_for(
    site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    machine = Machine(site, _jobs(made))
    await machine.scheduler.tick()
    machine.now += timedelta(days=3)
    with monkeypatch.context() as patched:
        patched.setattr(scheduling, "records_database", lambda _: "postgresql://nobody@127.0.0.1:9/none")
        with pytest.raises(JobFailed, match="cannot be reached"):
            await machine.scheduler.tick()
    assert made == ["partitions"]
    begun = await machine.scheduler.tick()
    assert [(due.id, due.trigger) for due in begun] == [
        ("backup-2026-11-25T03-00Z", "catch-up"),
        ("partitions-2026-11-25T03-10Z", "schedule"),
    ]


async def test_a_database_without_tables_is_told(site: Site, connection: Any) -> None:
    await connection.execute("DROP TABLE ops_runs")
    with pytest.raises(JobFailed, match="run `trunkline db migrate`"):
        await Machine(site, _jobs([])).scheduler.tick()


async def test_runs_as_processes(site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    submitter = ProcessSubmitter(site.state_dir / "logs", Path(__file__).parents[3])
    due = Due("partitions", datetime(2026, 11, 22, 3, 10, tzinfo=UTC), "schedule")
    await submitter.submit(due)
    await submitter.submit(due)
    assert await submitter.running() == {"partitions"}
    async with asyncio.timeout(60):
        while await submitter.running():  # noqa: ASYNC110 - as the scheduler looks
            await asyncio.sleep(0.1)
    log = (site.state_dir / "logs" / "ops-partitions.log").read_text()
    assert log.startswith("--- partitions-2026-11-22T03-10Z\n")
    assert '"verdict": "ok"' in log
    assert await _ids(connection) == [due.id]


async def test_a_process_ends_with_the_scheduler(site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in site.environment().items():
        monkeypatch.setenv(name, value)
    blocker = connection.transaction()
    await blocker.start()
    await connection.execute("LOCK TABLE calls_default IN ACCESS SHARE MODE")
    submitter = ProcessSubmitter(site.state_dir / "logs", Path(__file__).parents[3])
    await submitter.submit(Due("partitions", NOW, "schedule"))
    async with asyncio.timeout(60):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await submitter.close()
    assert await submitter.running() == frozenset()
    await blocker.rollback()
    assert await connection.fetchval("SELECT summary FROM ops_runs") == "stopped before it was done"
