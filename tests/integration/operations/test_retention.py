"""The retention job against a real PostgreSQL: what goes, what stays, and what a run that was cut short leaves."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from engine.records.months import Month
from ops.jobs import erasure
from ops.jobs import partitions as partitions_job
from ops.jobs.connection import alone
from ops.jobs.job import JobFailed, Report, Verdict
from ops.jobs.retention import JOB
from tests.integration.operations.site import NOW, Site, add_call, begin_detach, counts, partitions

OLD = Month(2025, 9)
TRUST = {"trust-clock": "yes"}


@pytest.fixture
async def filled(site: Site, connection: Any) -> Site:
    """Partitions from September 2025 on, a call in each of four months."""
    for month in (OLD, Month(2025, 10), Month(2026, 6), Month(2026, 11)):
        await add_call(connection, month.start + timedelta(days=3))
    made = await site.run(partitions_job.JOB, more={"TRUNKLINE_RETENTION_METADATA_DAYS": "500"})
    assert made.verdict is Verdict.OK
    return site


async def _run(site: Site, **more: Any) -> Report:
    return await site.run(JOB, arguments=TRUST, **more)


async def _hold(connection: Any, call: UUID, at: datetime) -> None:
    await connection.execute(
        "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, 'a court')", call, at
    )


async def test_months_whose_time_is_over_go(filled: Site, connection: Any) -> None:
    report = await _run(filled)
    assert report.verdict is Verdict.OK
    assert report.details["removed"] == ["2025-09", "2025-10"]
    assert (report.figures["months"], report.figures["rows"]) == (2, 8)
    assert await counts(connection) == (2, 4, 2)
    assert (await partitions(connection, "calls"))[0] == "calls_2026_06"
    assert (await _run(filled)).details["removed"] == []


async def test_words_go_after_ninety_days_and_calls_stay(filled: Site, connection: Any) -> None:
    report = await _run(filled, more={"TRUNKLINE_RETENTION_METADATA_DAYS": "3650"})
    assert report.figures["texts_removed.turns"] == 6
    assert report.figures["texts_removed.tools"] == 3
    assert report.figures["texts_removed.calls"] == 3
    assert await counts(connection) == (4, 8, 4)
    assert await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NOT NULL") == 2
    assert await connection.fetchval("SELECT count(*) FROM call_tool_calls WHERE arguments IS NOT NULL") == 1
    marked = await connection.fetch("SELECT started_at, text_removed_at FROM calls ORDER BY 1")
    assert [row["text_removed_at"] for row in marked] == [NOW, NOW, NOW, None]


async def test_words_that_came_late_go_too(filled: Site, connection: Any) -> None:
    more = {"TRUNKLINE_RETENTION_METADATA_DAYS": "3650"}
    await _run(filled, more=more)
    await connection.execute(
        "INSERT INTO call_turns (event_id, call_id, call_started_at, at, turn, speaker, text)"
        " VALUES ($1, $1, $2, $2, 9, 'caller', 'and one more thing')",
        uuid4(),
        OLD.start,
    )
    assert (await _run(filled, more=more)).figures["texts_removed.turns"] == 1


async def test_words_of_all_hours_go(site: Site, connection: Any) -> None:
    last = NOW - timedelta(days=90)
    moments = [last - timedelta(microseconds=1), last - timedelta(minutes=59), last - timedelta(days=200, minutes=7)]
    for at in (*moments, datetime(1970, 1, 1, tzinfo=UTC), last, last + timedelta(seconds=1)):
        await add_call(connection, at)
    await connection.execute("ALTER TABLE calls DROP CONSTRAINT calls_have_a_time")
    await connection.execute(f"INSERT INTO calls (id, started_at) VALUES ('{uuid4()}', '-infinity')")
    report = await _run(site)
    assert report.figures["texts_removed.turns"] == 8
    assert report.figures["texts_removed.tools"] == 4
    assert report.figures["texts_removed.calls"] == 5
    assert await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NOT NULL") == 4
    assert (await _run(site)).figures.get("texts_removed.turns", 0) == 0


async def test_a_call_on_hold_keeps_its_words_and_its_month(filled: Site, connection: Any) -> None:
    call = await add_call(connection, OLD.start, words="as agreed on the telephone")
    await _hold(connection, call, OLD.start)
    report = await _run(filled)
    assert (report.verdict, report.details["removed"], report.details["on_hold"]) == (
        Verdict.OK,
        ["2025-10"],
        ["2025-09"],
    )
    texts = await connection.fetch("SELECT DISTINCT text FROM call_turns_2025_09")
    assert {row["text"] for row in texts} == {None, "as agreed on the telephone"}
    await connection.execute("UPDATE legal_holds SET released_at = now()")
    assert (await _run(filled)).details["removed"] == ["2025-09"]


async def test_a_hold_that_names_another_month_still_holds(filled: Site, connection: Any) -> None:
    call = await add_call(connection, OLD.start)
    await _hold(connection, call, NOW)
    assert (await _run(filled)).details["on_hold"] == ["2025-09"]


async def test_a_hold_that_comes_between_detach_and_drop_puts_the_month_back(
    filled: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await add_call(connection, OLD.start)
    await filled.run(JOB, arguments=TRUST, more={"TRUNKLINE_RETENTION_METADATA_DAYS": "3650"})
    before = await connection.fetchval("SELECT count(*) FROM calls")

    async def drop_after_a_hold(connected: Any, expired: Any, exported: Any) -> int:
        if expired.month == OLD and not await connection.fetchval("SELECT count(*) FROM legal_holds"):
            await _hold(connection, call, datetime(2026, 11, 1, tzinfo=UTC))  # found by its id alone
        return await real(connected, expired, exported)

    from ops.jobs import retention  # noqa: PLC0415 - its inner step is what is replaced

    real = retention._drop
    monkeypatch.setattr(retention, "_drop", drop_after_a_hold)
    report = await _run(filled)
    assert (report.details["removed"], report.details["on_hold"]) == (["2025-10"], ["2025-09"])
    assert "calls_2025_09" in await partitions(connection, "calls")
    assert await connection.fetchval("SELECT count(*) FROM calls") == before - 1
    assert await connection.fetchval("SELECT obj_description('calls_2025_09'::regclass)") is None


async def test_a_run_cut_short_is_ended_by_the_next(
    filled: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.jobs import retention  # noqa: PLC0415

    async def power_cut(*_: Any) -> int:
        raise JobFailed("the power was cut")

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_drop", power_cut)
        report = await _run(filled)
    assert report.verdict is Verdict.FAILED
    assert "calls_2025_09" not in await partitions(connection, "calls")
    assert await connection.fetchval("SELECT count(*) FROM calls_2025_09") == 1
    assert (await _run(filled)).details["removed"] == ["2025-09", "2025-10"]
    assert await connection.fetchval("SELECT to_regclass('calls_2025_09')") is None


async def test_a_month_that_was_detached_by_a_wrong_clock_is_put_back(
    filled: Site, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.jobs import retention  # noqa: PLC0415

    async def power_cut(*_: Any) -> int:
        raise JobFailed("the power was cut")

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_drop", power_cut)
        await _run(filled, now=NOW + timedelta(days=400))
    assert "calls_2026_06" not in await partitions(connection, "calls")
    report = await _run(filled)
    assert "2026-06" in report.details["attached_again"]
    assert "calls_2026_06" in await partitions(connection, "calls")
    assert await counts(connection) == (2, 4, 2)


async def test_a_clock_that_jumped_ahead_removes_nothing(filled: Site, connection: Any) -> None:
    before = await counts(connection)
    jumped = NOW + timedelta(days=1000)
    await connection.execute(
        "INSERT INTO ops_runs (id, job, trigger, started_at) VALUES ('x', 'x', 'hand', $1)", jumped
    )
    with pytest.raises(JobFailed, match="nothing was removed"):
        await filled.run(JOB, jumped)
    assert await counts(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NULL") == 0


async def test_a_clock_with_days_behind_it_is_believed(site: Site, connection: Any) -> None:
    now = datetime.fromtimestamp(time.time(), UTC)
    await site.run(partitions_job.JOB, now)
    await add_call(connection, now - timedelta(days=100))
    for days in (2, 5):
        await add_call(connection, now - timedelta(days=days))
    with pytest.raises(JobFailed, match="on 2 of the 40 days"):
        await site.run(JOB, now)
    await add_call(connection, now - timedelta(days=9))
    assert (await site.run(JOB, now)).figures["texts_removed.turns"] == 2


async def test_a_month_is_exported_before_it_goes(filled: Site, connection: Any, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    more = {"TRUNKLINE_RETENTION_EXPORT_DIR": str(folder)}
    report = await _run(filled, more=more)
    assert report.details["removed"] == ["2025-09", "2025-10"]
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"{table}_2025_{month}.csv.gz{end}"
        for table in ("calls", "call_turns", "call_tool_calls")
        for month in ("09", "10")
        for end in ("", ".sha256")
    )
    checker = await asyncio.create_subprocess_exec(
        "sha256sum", "-c", *folder.glob("*.sha256"), cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    told_by_it, _ = await checker.communicate()
    assert (checker.returncode, told_by_it.count(b": OK")) == (0, 6)
    with gzip.open(folder / "call_turns_2025_09.csv.gz", "rt", newline="") as packed:
        rows = list(csv.DictReader(packed))
    assert [(row["speaker"], row["text"]) for row in rows] == [("caller", ""), ("agent", "")]
    told = {entry["file"]: entry for entry in report.details["files"]}
    exported = (folder / "calls_2025_10.csv.gz").read_bytes()
    assert told["calls_2025_10.csv.gz"]["sha256"] == hashlib.sha256(exported).hexdigest()
    assert told["calls_2025_10.csv.gz"]["rows"] == 1
    assert (folder / "calls_2025_10.csv.gz").stat().st_mode & 0o777 == 0o600


async def test_an_export_is_never_written_over(filled: Site, connection: Any, tmp_path: Path) -> None:
    (tmp_path / "calls_2025_09.csv.gz").write_bytes(b"of an earlier time")
    await _run(filled, more={"TRUNKLINE_RETENTION_EXPORT_DIR": str(tmp_path)})
    assert (tmp_path / "calls_2025_09.csv.gz").read_bytes() == b"of an earlier time"
    with gzip.open(tmp_path / "calls_2025_09.2.csv.gz", "rt") as packed:
        assert len(packed.readlines()) == 2


async def test_what_cannot_be_exported_is_not_dropped(filled: Site, connection: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    report = await _run(filled, more={"TRUNKLINE_RETENTION_EXPORT_DIR": str(blocked)})
    assert report.verdict is Verdict.FAILED
    assert "could not be exported" in report.summary
    assert await connection.fetchval("SELECT count(*) FROM calls_2025_09") == 1
    assert (await _run(filled)).details["removed"] == ["2025-09", "2025-10"]


async def test_a_dry_run_prints_sql_and_removes_nothing(
    filled: Site, connection: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await counts(connection)
    report = await _run(filled, dry_run=True)
    sql = capsys.readouterr().out
    assert report.details["months"] == ["2025-09", "2025-10"]
    assert await counts(connection) == before
    assert await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NULL") == 0
    await connection.execute(sql)
    assert await counts(connection) == (2, 4, 2)
    assert json.dumps(dict(report.details))  # it goes into the report


async def test_without_a_default_partition_months_are_detached_concurrently(filled: Site, connection: Any) -> None:
    for table in ("calls", "call_turns", "call_tool_calls"):
        await connection.execute(f"DROP TABLE {table}_default")
    assert (await _run(filled)).details["removed"] == ["2025-09", "2025-10"]
    assert await counts(connection) == (2, 4, 2)


async def test_a_detach_that_was_not_ended_is_ended(filled: Site, connection: Any) -> None:
    await begin_detach(filled, connection, "calls", "calls_2025_09")
    assert await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 1
    assert (await _run(filled)).details["removed"] == ["2025-09", "2025-10"]
    assert await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == 0


# -- months that wait -------------------------------------------------------------------------------------------------


async def _leave_detached(site: Site, tmp_path: Path) -> None:
    """Two months detached, since their export fails."""
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    await _run(site, more={"TRUNKLINE_RETENTION_EXPORT_DIR": str(blocked)})


async def test_words_in_a_month_that_waits_for_its_export_go_too(filled: Site, connection: Any, tmp_path: Path) -> None:
    await _leave_detached(filled, tmp_path)
    call = await connection.fetchval("SELECT id FROM calls_2025_09")
    await connection.execute("UPDATE call_turns_2025_09 SET text = 'my words'")
    await connection.execute("UPDATE call_tool_calls_2025_09 SET arguments = '{}'")
    await connection.execute("UPDATE calls_2025_09 SET text_removed_at = NULL")
    folder = tmp_path / "exports"
    report = await _run(filled, more={"TRUNKLINE_RETENTION_EXPORT_DIR": str(folder)})
    assert report.verdict is Verdict.OK
    assert (report.figures["texts_removed.turns"], report.figures["texts_removed.tools"]) == (2, 1)
    with gzip.open(folder / "call_turns_2025_09.csv.gz", "rt", newline="") as packed:
        assert [(row["call_id"], row["text"]) for row in csv.DictReader(packed)] == [(str(call), "")] * 2


async def test_nothing_is_exported_while_somebody_is_erased(filled: Site, connection: Any, tmp_path: Path) -> None:
    """What he is erased from would be dropped, and the copy made just before would have his number."""
    more = {"TRUNKLINE_RETENTION_EXPORT_DIR": str(tmp_path / "exports")}
    async with alone(filled.url, erasure.JOB.name) as free:
        assert free
        report = await _run(filled, more=more)
    assert report.verdict is Verdict.FAILED
    assert "2025-09: an erasure is under way" in report.summary
    assert await counts(connection) == (4, 8, 4)  # in sight until it is over
    assert not await asyncio.to_thread((tmp_path / "exports").exists)
    assert (await _run(filled, more=more)).details["removed"] == ["2025-09", "2025-10"]


async def test_a_held_month_is_put_back_with_the_rows_that_came_to_the_default_partition(
    filled: Site, connection: Any, tmp_path: Path
) -> None:
    await _leave_detached(filled, tmp_path)
    held = await connection.fetchval("SELECT id FROM calls_2025_09")
    await _hold(connection, held, OLD.start)
    late = await add_call(connection, OLD.start + timedelta(days=9))
    report = await _run(filled)
    assert report.verdict is Verdict.OK, report.summary
    assert report.details["attached_again"] == ["2025-09"]
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 0
    assert {row["id"] for row in await connection.fetch("SELECT id FROM calls_2025_09")} == {held, late}
    assert await connection.fetchval("SELECT count(*) FROM call_turns WHERE call_id = ANY($1)", [held, late]) == 4
    assert "calls_2025_09" in await partitions(connection, "calls")
    assert await connection.fetchval("SELECT obj_description('calls_2025_09'::regclass)") is None


async def test_a_row_that_stands_in_both_is_told_and_neither_is_lost(
    filled: Site, connection: Any, tmp_path: Path
) -> None:
    await _leave_detached(filled, tmp_path)
    held = await connection.fetchrow("SELECT id, started_at FROM calls_2025_09")
    await _hold(connection, held["id"], OLD.start)
    await connection.execute("INSERT INTO calls (id, started_at) VALUES ($1, $2)", *held)
    report = await _run(filled)
    assert report.verdict is Verdict.FAILED
    assert "rows of calls's default partition stand in calls_2025_09, too" in report.summary
    assert str(held["id"]) not in report.summary
    assert await connection.fetchval("SELECT count(*) FROM calls_2025_09") == 1
    assert await connection.fetchval("SELECT count(*) FROM calls_default") == 1
    await connection.execute("DELETE FROM calls_default")
    assert (await _run(filled)).details["attached_again"] == ["2025-09"]


async def test_a_partition_of_no_month_is_not_kept_in_silence(site: Site, connection: Any) -> None:
    await connection.execute(
        "CREATE TABLE calls_y2024 PARTITION OF calls FOR VALUES FROM ('2024-01-01 00:00+00') TO ('2025-01-01 00:00+00')"
    )
    await connection.execute(
        "CREATE TABLE calls_y2025 PARTITION OF calls FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00')"
    )
    await add_call(connection, datetime(2024, 5, 1, tzinfo=UTC))
    tried = await _run(site, dry_run=True)
    report = await _run(site)
    for each in (tried, report):
        assert each.verdict is Verdict.FAILED
        assert "calls_y2024 is of no month, had its time on 2025-01-01, and is not removed" in each.summary
        assert "calls_y2025" not in each.summary
        assert len(each.details["of_no_month"]) == 2
    assert await connection.fetchval("SELECT count(*) FROM calls_y2024") == 1
