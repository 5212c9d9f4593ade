"""docs/runbooks/partitions.md, walked through: each fault is forced, and its commands are run as they stand there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.records.months import Month
from engine.records.retention import MARK
from tests.integration.operations.site import Site, add_call, counts, partitions

RUNBOOK = (Path(__file__).parents[3] / "docs/runbooks/partitions.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(sh|sql) ([\w-]+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {name: (kind, text) for kind, name, text in _BLOCK.findall(RUNBOOK)}
DONE: set[str] = set()


async def _sh(site: Site, name: str) -> list[tuple[int, str]]:
    """Exit code and output of each line of a block."""
    kind, text = BLOCKS[name]
    assert kind == "sh"
    DONE.add(name)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = []
    for line in text.splitlines():
        process = await asyncio.create_subprocess_shell(
            line, env={"PATH": path, **site.environment()}, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 90)
        told.append((process.returncode or 0, out.decode()))
    return told


async def _sql(connection: Any, name: str, **put: str) -> list[Any]:
    kind, text = BLOCKS[name]
    assert kind == "sql"
    DONE.add(name)
    for here, there in put.items():
        assert here in text
        text = text.replace(here, there)
    if text.count(";") > 1:
        await connection.execute(text)
        return []
    return list(await connection.fetch(text))


@pytest.fixture
def now() -> datetime:
    """The commands are processes: their clock is this machine's."""
    return datetime.now(UTC)


async def test_months_are_missing_and_calls_are_in_the_default_partition(
    site: Site, connection: Any, now: datetime
) -> None:
    for days in (0, 3, 40):
        await add_call(connection, now - timedelta(days=days))
    before = await counts(connection)
    history, dry, run = await _sh(site, "first")
    assert history == (0, "")
    assert dry[0] == 0
    assert "ATTACH PARTITION" in dry[1]
    assert run[0] == 0
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 0
    assert await counts(connection) == before


async def test_something_holds_a_table(site: Site, connection: Any) -> None:
    holder = await site.connect()
    await holder.execute("SET application_name = 'nightly dump'")
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT count(*) FROM call_turns")
    rows = await _sql(connection, "locks")
    assert {(row["application_name"], row["state"]) for row in rows} == {("nightly dump", "idle in transaction")}
    assert "call_turns_default" in {row["holds"] for row in rows}
    await held.rollback()
    await holder.close()


async def test_a_partition_is_of_no_month(site: Site, connection: Any, now: datetime) -> None:
    next_month = Month.of(now).plus(1)
    lower, upper = next_month.start + timedelta(days=9), next_month.end + timedelta(days=9)
    await connection.execute(
        "CREATE TABLE calls_winter PARTITION OF calls"
        f" FOR VALUES FROM ('{lower.isoformat()}') TO ('{upper.isoformat()}')"
    )
    for at in (lower, upper - timedelta(seconds=1)):
        await add_call(connection, at)
    before = await counts(connection)
    (_, _, (code, told)) = await _sh(site, "first")
    assert code == 1
    assert "is covered in part by calls_winter" in told
    assert "--split calls_winter" in told
    dry, split = await _sh(site, "split")
    assert 'DROP TABLE "calls_winter"' in dry[1]
    assert split[0] == 0
    assert await counts(connection) == before
    assert await connection.fetchval(f"SELECT count(*) FROM {next_month.table('calls')}") == 1
    assert await connection.fetchval("SELECT to_regclass('calls_winter')") is None


async def test_a_name_is_taken(site: Site, connection: Any, now: datetime) -> None:
    name = Month.of(now).plus(1).table("call_turns")
    await connection.execute(f"CREATE TABLE {name} (x int)")
    assert [code for code, _ in await _sh(site, "first")] == [0, 1, 1]
    (row,) = await _sql(connection, "whose")
    assert (row["relname"], row["comment"]) == (name, None)
    await _sql(connection, "rename", call_turns_2026_12=name)
    assert (await _sh(site, "again"))[0][0] == 0
    assert name in await partitions(connection, "call_turns")


async def test_rows_of_a_wrong_clock_stay_and_are_found(site: Site, connection: Any) -> None:
    await add_call(connection, datetime(2070, 1, 1, tzinfo=UTC))
    assert (await _sh(site, "again"))[0][0] == 0
    (row,) = await _sql(connection, "stay")
    assert (row["day"], row["calls"]) == (datetime(2070, 1, 1, tzinfo=UTC), 1)


async def test_a_call_stands_in_a_detached_month_and_in_the_default_partition(site: Site, connection: Any) -> None:
    call = await add_call(connection, datetime(2025, 9, 4, tzinfo=UTC))
    await connection.execute("CREATE TABLE calls_2025_09 AS SELECT * FROM calls_default")
    (row,) = await _sql(connection, "twice")
    assert row["id"] == call


async def test_a_detached_table_tells_no_month(site: Site, connection: Any) -> None:
    at = datetime(2024, 12, 5, tzinfo=UTC)
    await add_call(connection, at)
    await connection.execute("CREATE TABLE calls_y2024 (LIKE calls INCLUDING ALL)")
    await connection.execute(f"COMMENT ON TABLE calls_y2024 IS '{MARK}'")
    await connection.execute("INSERT INTO calls_y2024 SELECT * FROM calls_default")
    assert [row["relname"] for row in await _sql(connection, "nameless")] == ["calls_y2024"]
    assert [tuple(row) for row in await _sql(connection, "month")] == [(at, at)]
    await _sql(connection, "rename-month")
    assert await _sql(connection, "nameless") == []
    assert await connection.fetchval("SELECT obj_description('calls_2024_12'::regclass)") == MARK


def test_every_command_was_run() -> None:
    """The last one: it stands on those before it."""
    assert set(BLOCKS) == DONE
