"""Log that is not whole: what lies before the gap restores, and the nightly check finds the gap."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

import asyncpg
import pytest

from ops.backup.errors import WalMissing
from ops.backup.restoring import Target, restore
from ops.jobs.job import JobContext, Verdict
from tests.backup_site.records import add_calls
from tests.backup_site.stage import JOBS, Stage

pytestmark = pytest.mark.timeout(300)


async def later(stage: Stage) -> float:
    """Some calls, a moment after them, and the end of a segment."""
    connection = await asyncpg.connect(stage.url)
    await add_calls(connection, 5)
    await asyncio.sleep(0.05)
    moment = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    await asyncio.sleep(0.05)
    await connection.execute("SELECT pg_logical_emit_message(true, 'x', 'y')")
    await add_calls(connection, 1)
    await connection.execute("SELECT pg_switch_wal()")
    await connection.close()
    return float(moment)


def segments(stage: Stage) -> list[Path]:
    return sorted(path for path in stage.folder.glob("wal/*/*") if len(path.name) == 24)


async def test_a_time_before_the_gap_restores_and_one_after_it_does_not(stage: Stage, ground: Path) -> None:
    await stage.run("backup")
    moments = [await later(stage) for _ in range(3)]
    await stage.run("wal", seconds="3")
    await stage.run("restore-check")  # nothing is missing yet
    lost = segments(stage)[-2]  # the first of the three, or a later one, ends before it
    lost.unlink()
    done = await restore(stage.site, ground / "before", target=Target(time=moments[0]))
    assert done.timeline == 1
    with pytest.raises(WalMissing, match=rf"after a gap.*segment {lost.name} is not kept"):
        await restore(stage.site, ground / "after", target=Target(time=moments[2]))
    with pytest.raises(WalMissing, match=rf"not whole: segment {lost.name} is not kept"):
        await restore(stage.site, ground / "last", target=Target())
    assert not (ground / "after").exists()
    with pytest.raises(WalMissing, match=rf"segment {lost.name} is not kept"):
        await stage.run("restore-check")  # the backup itself is whole, its log since then is not


async def test_an_end_that_is_missing_is_found(stage: Stage) -> None:
    await stage.run("backup")
    for _ in range(2):
        await later(stage)
    await stage.run("wal", seconds="3")
    max(stage.folder.glob("wal/*/*")).unlink()
    checked = await stage.run("restore-check")
    assert checked.verdict is Verdict.FAILED
    assert "its end is missing" in checked.summary


async def test_log_that_nobody_carries_fails_the_check(stage: Stage) -> None:
    await stage.run("backup")
    assert (await stage.run("restore-check")).verdict is Verdict.OK
    an_hour_on = dataclasses.replace(stage.context(), wall=lambda: time.time() + 3600)
    assert isinstance(an_hour_on, JobContext)
    checked = await JOBS["restore-check"].run(an_hour_on)
    assert checked.verdict is Verdict.FAILED
    assert "is the job `wal` running?" in checked.summary
