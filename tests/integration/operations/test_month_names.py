"""Months whose tables have names of their own: detached, a table tells its month by its name alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError
from engine.records.detached import Waiting, waiting
from engine.records.retention import MARK
from ops.jobs.job import Report, Verdict
from ops.jobs.retention import JOB
from tests.integration.operations.site import Site, add_call, begin_detach, counts

LAST = datetime(2024, 12, 5, tzinfo=UTC)
WAITING = {
    Waiting("calls", "calls_2024_12"),
    Waiting("call_turns", "call_turns_2024_12"),
    Waiting("call_tool_calls", "call_tool_calls_2024_12"),
}


@pytest.fixture
async def named(site: Site, connection: Any) -> Site:
    """What `--split` leaves of a year when it is cut short, and months as pg_partman calls them; a call in them."""
    for parent, name in (
        ("calls", "calls_y2024"),
        ("call_turns", "call_turns_p2024_12"),
        ("call_tool_calls", "archive of tools"),
    ):
        await connection.execute(
            f'CREATE TABLE "{name}" PARTITION OF {parent}'
            " FOR VALUES FROM ('2024-12-01 00:00+00') TO ('2025-01-01 00:00+00')"
        )
    await add_call(connection, LAST)
    return site


async def _run(site: Site, folder: Path | None = None, **more: Any) -> Report:
    settings = {"TRUNKLINE_RETENTION_EXPORT_DIR": str(folder)} if folder else {}
    return await site.run(JOB, more=settings, arguments={"trust-clock": "yes"}, **more)


def _blocked(tmp_path: Path) -> Path:
    """Nothing can be exported there."""
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    return blocked


async def test_they_are_not_lost_when_their_export_fails(named: Site, connection: Any, tmp_path: Path) -> None:
    failed = await _run(named, _blocked(tmp_path))
    assert "could not be exported" in failed.summary
    assert await counts(connection) == (0, 0, 0)
    assert set(await waiting(connection)) == WAITING
    folder = tmp_path / "exports"
    report = await _run(named, folder)
    assert (report.verdict, report.details["removed"]) == (Verdict.OK, ["2024-12"]), report.summary
    assert {entry["file"]: entry["rows"] for entry in report.details["files"]} == {
        "calls_2024_12.csv.gz": 1,
        "call_turns_2024_12.csv.gz": 2,
        "call_tool_calls_2024_12.csv.gz": 1,
    }
    assert await waiting(connection) == []


async def test_one_whose_detach_was_not_ended_is_not_lost_either(named: Site, connection: Any, tmp_path: Path) -> None:
    await begin_detach(named, connection, "calls", "calls_y2024")
    assert await waiting(connection) == [Waiting("calls", "calls_y2024")]
    assert "could not be exported" in (await _run(named, _blocked(tmp_path))).summary
    assert set(await waiting(connection)) == WAITING
    assert (await _run(named)).details["removed"] == ["2024-12"]


async def test_a_name_that_is_taken_is_told_and_the_month_stays(named: Site, connection: Any) -> None:
    await connection.execute("CREATE TABLE calls_2024_12 (x int)")
    report = await _run(named)
    assert report.verdict is Verdict.FAILED
    assert "2024-12: calls_y2024 is to be calls_2024_12, and a table of that name is there" in report.summary
    assert await counts(connection) == (1, 2, 1)
    assert await waiting(connection) == []
    await connection.execute("ALTER TABLE calls_2024_12 RENAME TO somebodys")
    assert (await _run(named)).details["removed"] == ["2024-12"]


async def test_a_rehearsal_prints_their_new_names(
    named: Site, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await connection.execute("UPDATE calls SET text_removed_at = now()")
    await _run(named, dry_run=True)
    sql = capsys.readouterr().out
    assert 'ALTER TABLE "calls_y2024" RENAME TO "calls_2024_12"' in sql
    assert await counts(connection) == (1, 2, 1)
    await connection.execute(sql)
    assert await counts(connection) == (0, 0, 0)
    assert await connection.fetchval("SELECT to_regclass('calls_2024_12')") is None


async def test_a_table_that_waits_under_another_name_is_told_and_reached(site: Site, connection: Any) -> None:
    await connection.execute("CREATE TABLE calls_y2024 (LIKE calls INCLUDING ALL)")
    await connection.execute(f"COMMENT ON TABLE calls_y2024 IS '{MARK}'")
    assert await waiting(connection) == [Waiting("calls", "calls_y2024")]
    for dry_run in (True, False):
        report = await _run(site, dry_run=dry_run)
        assert report.verdict is Verdict.FAILED
        assert "calls_y2024 was detached to be dropped, and its name tells no month" in report.summary
    await connection.execute("ALTER TABLE calls_y2024 RENAME TO old_calls")
    assert "old_calls was detached" in (await _run(site)).summary
    with pytest.raises(ConfigurationError, match="its name does not tell of which table"):
        await waiting(connection)
