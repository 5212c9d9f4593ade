"""Runs of jobs: recorded, once, one at a time, within their time; and as processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError
from engine.records.ops_measures import measures_file, read_measures
from ops.jobs import lock, partitions
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.running import run_job
from ops.jobs.runs import LOCK_CLASS, Known, Run, Runs
from tests.integration.operations.site import NOW, Site, with_limit
from tests.waiting import until

ROOT = Path(__file__).parents[3]
FINE = Report(Verdict.OK, "three rows", {"rows": [1, 2, 3]}, {"rows": 3})


def _job(run: Any = None, name: str = "partitions") -> Job:
    async def fine(_: JobContext) -> Report:
        return FINE

    return Job(name, "a job", run or fine, arguments={"day": "which"})


async def _rows(connection: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.fetch("SELECT * FROM ops_runs ORDER BY started_at, id")]


async def test_a_run_is_recorded(site: Site, connection: Any) -> None:
    ran = await site.ran(_job(), "partitions-2026-11-22T03-10Z")
    assert ran.recorded
    (row,) = await _rows(connection)
    assert (row["id"], row["job"], row["trigger"]) == ("partitions-2026-11-22T03-10Z", "partitions", "hand")
    assert (row["verdict"], row["summary"]) == ("ok", "three rows")
    assert (row["started_at"], row["finished_at"]) == (NOW, NOW)
    assert json.loads(row["details"]) == {"rows": [1, 2, 3]}
    entry = read_measures(measures_file(site.state_dir))["partitions"]
    assert (entry["last_success"], entry["last_verdict"], entry["figures"]) == (NOW.timestamp(), "ok", {"rows": 3.0})
    told = json.loads(ran.line())
    assert (told["verdict"], told["id"], told["figures"]) == ("ok", row["id"], {"rows": 3})


async def test_the_same_run_is_made_once(site: Site, connection: Any) -> None:
    ran = [await site.ran(_job(), "partitions-1") for _ in range(3)]
    assert [each.report.verdict for each in ran] == [Verdict.OK, Verdict.SKIPPED, Verdict.SKIPPED]
    assert ran[1].report.summary == "the run partitions-1 was made before"
    assert len(await _rows(connection)) == 1


async def test_many_triggers_at_once_make_one_run(site: Site, connection: Any, tmp_path: Path) -> None:
    """From several machines: each with a state folder of its own."""
    made = 0

    async def counted(_: JobContext) -> Report:
        nonlocal made
        made += 1
        await asyncio.sleep(0.2)
        return FINE

    sites = [Site(site.url, tmp_path / str(number)) for number in range(6)]
    ran = await asyncio.gather(*(each.ran(_job(counted), "partitions-1") for each in sites))
    assert made == 1
    assert sorted(each.report.verdict for each in ran) == [Verdict.OK] + [Verdict.SKIPPED] * 5
    assert len(await _rows(connection)) == 1


async def test_two_runs_of_a_job_do_not_meet(site: Site, connection: Any) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def slow(_: JobContext) -> Report:
        inside.set()
        await go.wait()
        return FINE

    first = asyncio.create_task(site.ran(_job(slow), "partitions-1"))
    await inside.wait()
    second = await site.ran(_job(), "partitions-2")
    assert (second.report.verdict, second.report.summary) == (
        Verdict.SKIPPED,
        "another run of it is under way on this machine",
    )
    elsewhere = await Site(site.url, site.state_dir / "elsewhere").ran(_job(), "partitions-3")
    assert elsewhere.report.summary == "another run of it is under way"
    other = await site.ran(_job(name="retention"), "retention-1")
    assert other.report.verdict is Verdict.OK
    go.set()
    assert (await first).report.verdict is Verdict.OK
    assert [row["id"] for row in await _rows(connection)] == ["partitions-1", "retention-1"]


async def test_what_goes_wrong_is_a_verdict_without_anybody_s_data(site: Site, connection: Any) -> None:
    async def refused(_: JobContext) -> Report:
        raise JobFailed("the disk is full: free some")

    async def unforeseen(context: JobContext) -> Report:
        own = await site.connect()
        try:
            await own.execute(
                "INSERT INTO customers (phone, first_call_at, last_call_at) VALUES ('+380501112233', now(), now())"
            )
            await own.execute(
                "INSERT INTO customers (phone, first_call_at, last_call_at) VALUES ('+380501112233', now(), now())"
            )
        finally:
            await own.close()
        return FINE

    assert (await site.ran(_job(refused))).report.summary == "the disk is full: free some"
    ran = await site.ran(_job(unforeseen))
    assert ran.report.verdict is Verdict.FAILED
    assert "UniqueViolationError 23505" in ran.report.summary
    everything = ran.line() + str(await _rows(connection)) + measures_file(site.state_dir).read_text()
    assert "380501112233" not in everything


async def test_what_a_run_counted_that_failed_is_told(site: Site, connection: Any) -> None:
    async def damaged(_: JobContext) -> Report:
        error = JobFailed("one is damaged")
        error.figures = {"damaged_backups": 1}
        raise error

    ran = await site.ran(_job(damaged))
    assert (ran.report.verdict, ran.report.figures) == (Verdict.FAILED, {"damaged_backups": 1})
    assert json.loads((await _rows(connection))[0]["figures"]) == {"damaged_backups": 1}
    assert read_measures(measures_file(site.state_dir))["partitions"]["figures"] == {"damaged_backups": 1.0}


async def test_a_run_has_a_time_limit(site: Site, connection: Any) -> None:
    async def endless(_: JobContext) -> Report:
        await asyncio.Event().wait()
        return FINE

    ran = await site.ran(with_limit(_job(endless), 0.05))
    assert (ran.report.verdict, ran.report.summary) == (Verdict.FAILED, "not done within 0.05 s")
    assert (await _rows(connection))[0]["verdict"] == "failed"


async def test_a_timeout_of_the_job_s_own_is_not_its_time_limit(site: Site) -> None:
    async def impatient(_: JobContext) -> Report:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
        return FINE

    ran = await site.ran(_job(impatient))
    assert ran.report.summary.startswith("TimeoutError")


async def test_a_run_that_was_killed_is_buried_by_the_next(site: Site, connection: Any) -> None:
    runs = Runs(site.url)
    assert await runs.begin(Run("partitions-dead", "schedule"), "partitions", NOW.timestamp())
    await site.ran(_job(), "partitions-2", NOW + timedelta(days=1))
    dead, alive = await _rows(connection)
    assert (dead["verdict"], dead["summary"]) == ("failed", "its end was never recorded: it was killed")
    assert alive["verdict"] == "ok"


async def test_a_run_that_was_killed_is_made_again_once(site: Site, connection: Any) -> None:
    runs = Runs(site.url)
    run, now = Run("partitions-night", "schedule"), NOW.timestamp()
    assert await runs.begin(run, "partitions", now)  # its process is killed: nobody holds the job's lock
    assert await runs.known([run.id]) == Known(frozenset(), frozenset())
    ran = await site.ran(_job(), run.id, NOW + timedelta(hours=8))
    assert ran.report.verdict is Verdict.OK
    (row,) = await _rows(connection)
    assert (row["verdict"], row["started_at"]) == ("ok", NOW + timedelta(hours=8))
    assert json.loads(row["details"]) == {"rows": [1, 2, 3], "begun_again": True}
    assert await runs.known([run.id]) == Known(frozenset({run.id}), frozenset())
    assert (await site.ran(_job(), run.id)).report.verdict is Verdict.SKIPPED


async def test_a_run_that_kills_its_machine_is_not_made_for_ever(site: Site, connection: Any) -> None:
    runs = Runs(site.url)
    run = Run("partitions-night", "schedule")
    assert [await runs.begin(run, "partitions", NOW.timestamp()) for _ in range(4)] == [True, True, False, False]
    (row,) = await _rows(connection)
    assert (row["verdict"], row["summary"]) == ("failed", "its end was never recorded: it was killed twice")
    assert not await runs.begin(run, "retention", NOW.timestamp()), "another job's run has that name"


async def test_a_lock_that_the_server_has_lost_is_taken_again(
    site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOK_SECONDS", 0.05)
    inside, go = asyncio.Event(), asyncio.Event()

    async def long(_: JobContext) -> Report:
        inside.set()
        await go.wait()
        return FINE

    running = asyncio.create_task(site.ran(_job(long), "partitions-1"))
    await inside.wait()
    (before,) = await _holders(connection)
    seen = "SELECT backend_xmin FROM pg_stat_activity WHERE pid = $1"
    assert await connection.fetchval(seen, before) is None, "it holds up no vacuum"
    await asyncio.sleep(0.2)

    async def holds_none() -> bool:
        return await connection.fetchval(seen, before) is None

    await until(holds_none)  # nor does looking after it, but for the moment in which it looks
    assert await connection.fetchval("SELECT pg_terminate_backend($1)", before)

    async def another_connection() -> bool:
        return await _holders(connection) not in ([], [before])

    await until(another_connection)
    elsewhere = Site(site.url, site.state_dir.with_name("elsewhere"))
    assert (await elsewhere.ran(_job(), "partitions-2")).report.summary == "another run of it is under way"
    go.set()
    assert (await running).report.verdict is Verdict.OK
    assert await _holders(connection) == []


@pytest.mark.parametrize("other", ["partitions-1", "partitions-2"])
async def test_a_run_whose_place_another_has_taken_ends_and_does_not_write_over_it(
    site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """The server lost the lock, and another machine was quicker: the run under the same id, or the next one."""
    monkeypatch.setattr(lock, "LOOK_SECONDS", 0.2)
    inside, go = asyncio.Event(), asyncio.Event()

    async def endless(_: JobContext) -> Report:
        inside.set()
        await asyncio.Event().wait()
        return FINE

    async def second(_: JobContext) -> Report:
        await go.wait()
        return FINE

    running = asyncio.create_task(site.ran(_job(endless), "partitions-1"))
    await inside.wait()
    (before,) = await _holders(connection)
    assert await connection.fetchval("SELECT pg_terminate_backend($1)", before)
    await until(lambda: _free(connection))
    elsewhere = Site(site.url, site.state_dir.with_name("elsewhere"))
    later = asyncio.create_task(elsewhere.ran(_job(second), other, NOW + timedelta(minutes=5)))
    first = await running
    assert (first.report.verdict, first.recorded) == (Verdict.FAILED, False)
    assert "another run has taken its place" in first.report.summary
    go.set()
    assert (await later).report.verdict is Verdict.OK
    rows = {row["id"]: row["verdict"] for row in await _rows(connection)}
    assert rows == {"partitions-1": "failed", other: "ok"}


async def _holders(connection: Any) -> list[int]:
    """Server processes that hold the lock of a job."""
    return [
        row["pid"]
        for row in await connection.fetch(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = $1", LOCK_CLASS
        )
    ]


async def _free(connection: Any) -> bool:
    return not await _holders(connection)


async def test_a_run_that_was_stopped_is_made_again_once(site: Site) -> None:
    async def endless(_: JobContext) -> Report:
        await asyncio.Event().wait()
        return FINE

    runs, run = Runs(site.url), "partitions-night"

    async def lives() -> bool:
        return [row.shown for row in await runs.history(None, 1)] == ["runs"]

    for again in (False, True):
        assert await runs.known([run]) == Known(frozenset(), frozenset())
        running = asyncio.create_task(site.ran(_job(endless), run))
        await until(lives)
        assert (run in (await runs.known([run])).under_way) is not again
        running.cancel()
        assert (await running).report.summary == "stopped before it was done"
    assert (await runs.known([run])).done == {run}
    assert (await site.ran(_job(), run)).report.verdict is Verdict.SKIPPED


async def test_a_database_that_is_away(site: Site) -> None:
    context = site.context()
    gone = type(context)(context.settings, "postgresql://somebody:secret@127.0.0.1:9/records", context.wall)
    ran = await run_job(_job(), gone, Run("partitions-1", "hand"))
    assert (ran.report.verdict, ran.recorded) == (Verdict.FAILED, False)
    assert ran.report.summary.startswith("the records' database cannot be reached")
    assert "secret" not in ran.line()
    assert read_measures(measures_file(site.state_dir))["partitions"]["last_verdict"] == "failed"


async def test_a_database_that_goes_away_in_the_middle(
    site: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.jobs.running.RECORD_PAUSE", 0.0)

    async def cut_off(_: JobContext) -> Report:
        await connection.execute("ALTER TABLE ops_runs RENAME TO gone")
        return FINE

    ran = await site.ran(_job(cut_off))
    assert (ran.report.verdict, ran.recorded) == (Verdict.FAILED, False)
    assert ran.report.summary == "done, but not recorded: three rows"


async def test_a_dry_run_is_not_recorded(site: Site, connection: Any) -> None:
    ran = await site.ran(_job(), dry_run=True)
    assert (ran.report.verdict, ran.recorded) == (Verdict.OK, False)
    assert await _rows(connection) == []
    assert not measures_file(site.state_dir).exists()


async def test_an_argument_that_nobody_knows(site: Site, connection: Any) -> None:
    with pytest.raises(ConfigurationError, match="knows no --caller; it knows: --day"):
        await site.ran(_job(), arguments={"caller": "+380501112233"})
    assert await _rows(connection) == []


async def test_without_a_database_a_run_is_made_once_a_machine(site: Site) -> None:
    context = site.context()
    alone = type(context)(context.settings, "", context.wall)
    ran = [await run_job(_job(), alone, Run("partitions-1", "hand")) for _ in range(2)]
    assert [each.report.verdict for each in ran] == [Verdict.OK, Verdict.SKIPPED]


def _start(site: Site, *words: str, more: dict[str, str] | None = None) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], **site.environment(more)}
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def _finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    return process.returncode, out, err


async def test_as_a_process(site: Site, connection: Any) -> None:
    code, out, err = await _finish(_start(site, "ops.jobs", "partitions", "--scheduled", "--nice", "5"))
    assert code == 0, err
    told = json.loads(out.splitlines()[-1])
    assert (told["verdict"], told["trigger"], told["figures"]["created"]) == ("ok", "job", 15)
    code, out, _ = await _finish(_start(site, "ops.cli", "ops", "run", "partitions", "--scheduled"))
    assert code == 3
    assert json.loads(out)["summary"] == f"the run {told['id']} was made before"
    code, out, _ = await _finish(_start(site, "ops.jobs", "partitions", "--day", "monday"))
    assert (code, out) == (2, "")
    code, out, _ = await _finish(_start(site, "ops.cli", "ops", "history"))
    assert code == 0
    assert "partitions     ok" in out
    assert len(await _rows(connection)) == 1


async def test_a_process_that_is_asked_to_stop_says_so(site: Site, connection: Any) -> None:
    await partitions.JOB.run(site.context())
    await connection.execute("DROP TABLE calls_2026_11")
    blocker = connection.transaction()
    await blocker.start()
    await connection.execute("LOCK TABLE ops_runs IN ACCESS SHARE MODE")
    await connection.execute("LOCK TABLE calls_default IN ACCESS SHARE MODE")
    process = _start(site, "ops.jobs", "partitions", "--id", "partitions-stopped")
    for _ in range(300):
        await asyncio.sleep(0.1)
        if await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            break
    process.send_signal(signal.SIGTERM)
    code, out, err = await _finish(process)
    await blocker.rollback()
    assert code == 1, err
    assert json.loads(out)["summary"] == "stopped before it was done"
    (row,) = await _rows(connection)
    assert (row["id"], row["verdict"], row["summary"]) == ("partitions-stopped", "failed", "stopped before it was done")


async def test_a_process_that_is_killed_holds_nothing(site: Site, connection: Any) -> None:
    await connection.execute("CREATE TABLE call_turns_2020_01 (x int)")
    blocker = connection.transaction()
    await blocker.start()
    await connection.execute("LOCK TABLE calls_default IN ACCESS SHARE MODE")
    process = _start(site, "ops.jobs", "partitions", "--scheduled")
    for _ in range(300):
        await asyncio.sleep(0.1)
        if await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            break
    (row,) = await Runs(site.url).history(None, 2)
    assert row.shown == "runs"
    process.kill()
    await _finish(process)
    await blocker.rollback()
    await until(lambda: _shown(site, "killed"))
    code, out, err = await _finish(_start(site, "ops.jobs", "partitions", "--scheduled"))
    assert (code, json.loads(out.splitlines()[-1])["id"]) == (0, row.id), err
    assert [row["verdict"] for row in await _rows(connection)] == ["ok"]


async def _shown(site: Site, verdict: str) -> bool:
    return [row.shown for row in await Runs(site.url).history(None, 2)] == [verdict]
