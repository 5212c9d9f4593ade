"""One caller erased from everywhere, and nobody else."""

from __future__ import annotations

import dataclasses
import json
import platform
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.config.reports import ReportSettings
from engine.errors import ConfigurationError
from engine.records.tombstones import KEY, TOMBSTONES, ErasedCallers, key_of
from ops.jobs import callbacks, erasure
from ops.jobs.connection import alone
from ops.jobs.job import JobFailed, Report, Verdict
from tests.integration.reports.erasure.stage import (
    DIGITS,
    HERE,
    NOW,
    NUMBER,
    Context,
    Site,
    assert_nobody,
    everything,
    in_files,
    names_in,
    receipts,
    write,
)
from tests.records_rows import CallRows, call, insert


async def test_he_is_gone_from_everywhere_and_nobody_else_is(
    site: Site, recorded: Path, live: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    connection, context, settings, calls, asked = site.connection, site.context, site.settings, site.calls, site.asked
    await callbacks.JOB.run(context(NOW - timedelta(hours=1)))
    assert DIGITS in in_files(settings.paths.state_dir / "callbacks")
    before = await connection.fetch("SELECT * FROM calls WHERE caller NOT LIKE '%990000000001' ORDER BY id")
    turns = await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NOT NULL")
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert report.verdict is Verdict.OK, report.summary
    assert_nobody(await everything(connection))
    assert_nobody(in_files(settings.paths.state_dir))
    assert_nobody(str(report) + caplog.text + "".join(capfd.readouterr()))
    after = await connection.fetch("SELECT * FROM calls WHERE caller IS NOT NULL ORDER BY id")
    assert after == before
    left = await connection.fetchval("SELECT count(*) FROM call_turns WHERE text IS NOT NULL")
    assert left == turns - 5 - 1  # his, and the one in which his wife says his number
    assert names_in(recorded) == {f"{one.id}.wav" for one in calls[2:10]}
    assert await live.exists(*(f"call_session:{one.id}" for one in calls[2:10])) == 8
    assert sorted(await live.keys("call_session:[^0-9a-f]*")) == ["call_session:other"]
    streamed = {fields["call"] for _, fields in await live.xrange("calls:events")}
    assert streamed == {str(one.id) for one in calls[2:10]}


async def test_the_receipt_counts_what_was_erased(site: Site, recorded: Path, live: Any) -> None:
    connection, context, settings, calls, asked = site.connection, site.context, site.settings, site.calls, site.asked
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    (receipt,) = receipts(settings)
    assert receipt["complete"] is True
    assert receipt["places"] == {
        "tables": {
            "calls": 2,
            "call_turns": 5,
            "call_tool_calls": 1,
            "customers": 2,
            "callbacks": 1,
            "mentions in turns": 1,
            "mentions in tools": 1,
        },
        "redis": {"sessions": 3, "stream entries": 2},
        "recordings": {"files": 2},
        "call-back lists": {"lines": 0},
        "dead letters": {"lines": 0},
    }
    assert sorted(call for call, _, _ in receipt["calls"]) == sorted(str(one.id) for one in calls[:2])
    until = {each["place"].split(",")[0]: each["until"] for each in receipt["may_remain"]}
    assert until == {
        "files of the outbox": (NOW + timedelta(hours=1)).isoformat(),
        "old versions of rows in the database's files": None,
        "backups that others make of the database": None,
    }
    row = await connection.fetchrow("SELECT * FROM erasures")
    assert (json.loads(row["receipt"]), row["caller_digest"].hex()) == (receipt, receipt["digest"])
    assert row["done_at"] is not None
    assert report.figures == {"calls": 2.0, "rows": 20.0}
    assert "calls" not in report.details
    erased = ErasedCallers(settings.paths.state_dir)
    assert erased.covers(NUMBER, (NOW - timedelta(seconds=1)).timestamp())
    assert not erased.covers(NUMBER, (NOW + timedelta(seconds=1)).timestamp())
    assert not erased.covers("+990000000002", 0.0)


async def test_again_it_finds_nothing_and_is_as_good(
    context: Context, calls: list[CallRows], recorded: Path, live: Any, asked: str
) -> None:
    await erasure.JOB.run(context(NOW, caller_file=asked))
    again = await erasure.JOB.run(context(NOW + timedelta(hours=1), caller_file=asked))
    assert (again.verdict, again.figures) == (Verdict.OK, {"calls": 2.0, "rows": 0.0})


async def test_a_later_call_is_kept_until_it_is_asked_again(
    connection: Any, context: Context, calls: list[CallRows], asked: str
) -> None:
    later = call("later", NOW + timedelta(days=1), NUMBER).says("Hello again.", "Hello.")
    await insert(connection, [later])
    await erasure.JOB.run(context(NOW, caller_file=asked))
    assert await connection.fetchval("SELECT caller FROM calls WHERE id = $1", later.id) == NUMBER
    await erasure.JOB.run(context(NOW + timedelta(days=2), caller_file=asked))
    assert_nobody(await everything(connection))


async def test_a_rehearsal_counts_and_changes_nothing(site: Site, recorded: Path, live: Any) -> None:
    connection, context, settings, asked = site.connection, site.context, site.settings, site.asked
    before, files, keys = await everything(connection), in_files(settings.paths.state_dir), await live.keys()
    report = await erasure.JOB.run(context(NOW, dry_run=True, caller_file=asked))
    assert report.summary == "2 calls: 20 rows and files would be erased"
    assert await everything(connection) == before
    assert in_files(settings.paths.state_dir) == files
    assert sorted(await live.keys()) == sorted(keys)


# -- legal hold -------------------------------------------------------------------------------------------------------


async def test_his_number_within_a_longer_one_is_another(connection: Any, context: Context, settings: Settings) -> None:
    texts = {
        "My order is 99123456788.": True,
        "It is 1234567.": False,
        "It is 123-45-67, five.": False,
        "1 2 3 4 5 6 7": False,
        "00 1234567": False,
        "Two of 5 1234567": False,
        "81234567": True,
        "12345670": True,
    }
    one = call("other", NOW - timedelta(days=2), "+990000000002")
    for text in texts:
        one.says(text, "Yes.")
    one.uses("find_order", {"order": 99123456788}).uses("find_customer", {"phone": "123 4567"})
    await insert(connection, [one])
    report = await erasure.JOB.run(context(NOW, caller="1234567"))
    left = await connection.fetch("SELECT text FROM call_turns WHERE speaker = 'caller' AND text IS NOT NULL")
    assert {row["text"] for row in left} == {text for text, stays in texts.items() if stays}
    tools = await connection.fetch("SELECT name, arguments IS NULL AS gone FROM call_tool_calls")
    assert {row["name"]: row["gone"] for row in tools} == {"find_order": False, "find_customer": True}
    assert report.verdict is Verdict.OK


async def test_a_rehearsal_before_the_first_erasure_shows_no_digest(context: Context, settings: Settings) -> None:
    report = await erasure.JOB.run(context(NOW, dry_run=True, caller=NUMBER))
    assert (report.details["digest"], report.details["key"]) == ("", "")
    assert KEY not in names_in(settings.paths.state_dir)


# -- what cannot be reached -------------------------------------------------------------------------------------------


async def test_a_redis_that_is_away_is_told_and_erased_the_next_time(site: Site, live: Any, valkey: str) -> None:
    context, settings, asked = site.context, site.settings, site.asked
    url = settings.paths.state_dir / "valkey" / "url"
    write(url, "redis://:secret@127.0.0.1:1/0")
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert report.verdict is Verdict.FAILED
    assert "NOT REACHED: redis (ConnectionError)" in report.summary
    assert "secret" not in str(report)
    (receipt,) = receipts(settings)
    assert receipt["complete"] is False
    write(url, valkey)
    again = await erasure.JOB.run(context(NOW + timedelta(hours=1), caller_file=asked))
    assert again.verdict is Verdict.OK, again.summary
    assert again.details["places"]["redis"] == {"sessions": 3, "stream entries": 2}


async def test_without_the_database_nothing_is_erased(
    context: Context, settings: Settings, recorded: Path, asked: str
) -> None:
    for database in ("", "postgresql://zebulon:secret@127.0.0.1:1/records"):
        with pytest.raises(JobFailed) as failed:
            await erasure.JOB.run(dataclasses.replace(context(NOW, caller_file=asked), database=database))
        assert "secret" not in str(failed.value)
    assert len(names_in(recorded)) == 10
    assert TOMBSTONES not in names_in(settings.paths.state_dir)


async def test_other_machines_are_named_until_the_job_ran_there(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, context, settings, calls, asked = site.connection, site.context, site.settings, site.calls, site.asked
    await connection.execute("UPDATE calls SET node = 'node-b' WHERE id = $1", calls[0].id)
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert report.verdict is Verdict.FAILED
    assert "recordings and outbox of machine node-b: run this job there, too" in report.summary
    there = dataclasses.replace(
        settings,
        paths=dataclasses.replace(settings.paths, state_dir=tmp_path / "node-b"),
        reports=ReportSettings(erasure_key_file=settings.paths.state_dir / KEY),
    )
    recording = write(there.paths.recordings / f"{calls[0].id}.wav", "RIFF")
    monkeypatch.setattr(platform, "node", lambda: "node-b")
    report = await erasure.JOB.run(context(NOW + timedelta(hours=1), settings=there, caller_file=asked))
    assert report.verdict is Verdict.OK, report.summary
    assert not recording.is_file()
    monkeypatch.undo()
    assert (await erasure.JOB.run(context(NOW + timedelta(hours=2), caller_file=asked))).verdict is Verdict.OK


async def test_another_key_is_noted(
    context: Context, settings: Settings, calls: list[CallRows], asked: str, tmp_path: Path
) -> None:
    await erasure.JOB.run(context(NOW, caller_file=asked))
    key_of(tmp_path / "other.key", make=True)
    other = dataclasses.replace(settings, reports=ReportSettings(erasure_key_file=tmp_path / "other.key"))
    report = await erasure.JOB.run(context(NOW, settings=other, caller_file=asked))
    assert any("another key" in note for note in report.details["noted"])


async def test_rows_that_come_while_it_runs_are_erased_too(
    connection: Any, context: Context, calls: list[CallRows], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = call("late", NOW - timedelta(minutes=1), NUMBER, node=HERE).says("Elm Road, as I said.", "Yes.")

    async def meanwhile(*arguments: Any) -> None:
        await insert(connection, [late])
        await elsewhere(*arguments)

    elsewhere = erasure._erase_elsewhere
    monkeypatch.setattr(erasure, "_erase_elsewhere", meanwhile)
    await erasure.JOB.run(context(NOW, caller_file=asked))
    assert_nobody(await everything(connection))


async def test_two_erasures_do_not_meet(database: str, context: Context, asked: str) -> None:
    async with alone(database, "erasure") as free:
        assert free
        assert (await erasure.JOB.run(context(NOW, caller_file=asked))).verdict is Verdict.SKIPPED


# -- how it is asked --------------------------------------------------------------------------------------------------


async def run_with(context: Context, **arguments: str) -> Report:
    return await erasure.JOB.run(context(NOW, **arguments))


async def test_the_number_may_come_from_stdin_or_the_command_line(
    connection: Any, context: Context, calls: list[CallRows], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with _opened(tmp_path / "stdin", NUMBER) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert (await run_with(context, caller_file="-")).figures["calls"] == 2
    assert (await run_with(context, caller=NUMBER)).figures == {"calls": 2.0, "rows": 0.0}


def _opened(path: Path, text: str) -> Any:
    return write(path, text).open()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"caller": NUMBER, "caller_file": "-"},
        {"caller": "Zebulon Quux 990000000001"},
        {"caller_file": "/nowhere/990000000001.txt"},
        {"caller": NUMBER, "override_hold": "990000000001"},
        {"caller": NUMBER, "number": "990000000001"},
        {"caller": NUMBER, "reapply": "yes"},
    ],
)
async def test_wrong_arguments_are_refused_and_not_shown(context: Context, arguments: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await run_with(context, **arguments)
    assert DIGITS not in str(refused.value)
    assert "Quux" not in str(refused.value)
