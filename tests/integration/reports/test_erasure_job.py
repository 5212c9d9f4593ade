"""One caller erased from everywhere, and nobody else."""

from __future__ import annotations

import dataclasses
import json
import platform
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from engine.config import Settings
from engine.config.reports import ReportSettings
from engine.errors import ConfigurationError
from engine.records.erasure_rows import reapply
from engine.records.months import Month
from engine.records.partition_facts import read_facts
from engine.records.partitions import PARENTS, month_step
from engine.records.retention import MARK
from engine.records.tombstones import KEY, TOMBSTONES, ErasedCallers, key_of
from ops.jobs import callbacks, erasure
from ops.jobs.connection import alone
from ops.jobs.dead_letters import PLACE
from ops.jobs.job import JobContext, JobFailed, Report, Verdict
from tests.records_rows import GREETING, CallRows, at, call, insert, some_calls
from tests.valkey_server import running_valkey

Context = Callable[..., JobContext]
NOW = at("2026-11-24T10:00:00")
NUMBER = "+990000000001"
DIGITS = "990000000001"
HERE = platform.node()


def his_calls() -> list[CallRows]:
    """Two calls; he gives his name, an address and his number; he wants to be called back."""
    one = call("his 1", NOW - timedelta(days=3), NUMBER, order_id="77123", channel=f"PJSIP/{DIGITS}-01", node=HERE)
    one.says("", GREETING).uses("create_order_draft", {"customer_phone": NUMBER, "customer_name": "Zebulon Quux"})
    one.says("I am Zebulon Quux of Elm Road.", "Thank you, Mr Quux.")
    two = call("his 2", NOW - timedelta(days=1), "00" + DIGITS, booking_id="B-9", node=HERE)
    return [one, two.says("Call me back.", "We will call Zebulon Quux.").asks_back(NUMBER)]


@pytest.fixture
async def calls(connection: Any) -> list[CallRows]:
    """Those, and two hundred of others, one of whom mentions his number."""
    wife = call("wife", NOW - timedelta(days=2), "+990000000002").uses(
        "book_fitting", {"customer_phone": "99 000 000-00-01"}
    )
    wife.says("Call my husband at +99 (000) 000-00-01.", "Yes.").says("Thank you.", "Goodbye.")
    made = [*his_calls(), wife, *some_calls(5, NOW - timedelta(days=5), 4, 50)]
    await insert(connection, made)
    return made


@pytest.fixture
def recorded(settings: Settings, calls: list[CallRows]) -> Path:
    folder = settings.paths.recordings
    folder.mkdir(parents=True)
    for one in calls[:10]:
        (folder / f"{one.id}.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def live(valkey: str, settings: Settings, calls: list[CallRows]) -> AsyncIterator[Any]:
    """A Redis with sessions and a stream in it, as the settings find it."""
    client = redis.asyncio.from_url(valkey, decode_responses=True)
    await client.flushdb()
    for one in calls[:10]:
        await client.hset(f"call_session:{one.id}", mapping={"state": "speaking"})
        await client.xadd("calls:events", {"call": str(one.id), "event": json.dumps({"type": "turn"})})
    await client.set("call_session:of-a-caller-not-yet-recorded", json.dumps({"caller": NUMBER}))
    await client.set("call_session:other", json.dumps({"caller": "+990000000002"}))
    folder = settings.paths.state_dir / "valkey"
    _write(folder / "url", valkey)
    yield client
    await client.aclose()


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def asked(tmp_path: Path) -> str:
    """A file with his number."""
    return str(_write(tmp_path / "number.txt", "+99 000 000-00-01\n"))


@dataclass(frozen=True)
class Site:
    """All of it together."""

    database: str
    connection: Any
    context: Context
    settings: Settings
    calls: list[CallRows]
    asked: str


@pytest.fixture
async def site(connection: Any, context: Context, settings: Settings, calls: list[CallRows], asked: str) -> Site:
    return Site(context(NOW).database, connection, context, settings, calls, asked)


async def everything(connection: Any) -> str:
    """All rows of all tables that hold data of callers, as text."""
    tables = ("calls", "call_turns", "call_tool_calls", "customers", "callbacks", "erasures", "daily_stats", "ops_runs")
    rows = [row for table in tables for row in await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")]
    return "\n".join(row[0] for row in rows)


def in_files(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file())


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def receipts(settings: Settings) -> list[dict[str, Any]]:
    folder = settings.paths.state_dir / "erasures"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    return [json.loads(path.read_text()) for path in folder.iterdir()]


def assert_nobody(text: str) -> None:
    for personal in (DIGITS, "Quux", "Elm Road", "77123", "B-9"):
        assert personal not in text


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


async def test_a_legal_hold_refuses_and_nothing_is_erased(
    connection: Any, context: Context, settings: Settings, calls: list[CallRows], asked: str
) -> None:
    await connection.execute(
        "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, 'a court asks')",
        calls[0].id,
        calls[0].call["started_at"],
    )
    before = await everything(connection)
    with pytest.raises(JobFailed, match="1 of the caller's calls are on legal hold: nothing was erased") as refused:
        await erasure.JOB.run(context(NOW, caller_file=asked))
    assert_nobody(str(refused.value))
    assert await everything(connection) == before
    assert TOMBSTONES not in names_in(settings.paths.state_dir)
    report = await erasure.JOB.run(context(NOW, caller_file=asked, override_hold="yes"))
    assert report.verdict is Verdict.OK
    assert_nobody(await everything(connection))


async def test_a_hold_that_was_released_or_is_anothers_refuses_nothing(
    connection: Any, context: Context, calls: list[CallRows], asked: str
) -> None:
    hold = "INSERT INTO legal_holds (call_id, call_started_at, reason, released_at) VALUES ($1, $2, 'x', $3)"
    await connection.execute(hold, calls[0].id, calls[0].call["started_at"], NOW)
    await connection.execute(hold, calls[9].id, calls[9].call["started_at"], None)
    assert (await erasure.JOB.run(context(NOW, caller_file=asked))).verdict is Verdict.OK


async def _hold(connection: Any, one: CallRows) -> None:
    await connection.execute(
        "INSERT INTO legal_holds (call_id, call_started_at, reason) VALUES ($1, $2, 'a court asks')",
        one.id,
        one.call["started_at"],
    )


async def _words_of(connection: Any, one: CallRows) -> list[str]:
    """All of a call that stands in the tables, its call-back too."""
    queries = (
        "SELECT text FROM call_turns WHERE call_id = $1",
        "SELECT arguments::text FROM call_tool_calls WHERE call_id = $1",
        "SELECT phone || reason FROM callbacks WHERE call_id = $1",
    )
    return [row[0] for query in queries for row in await connection.fetch(query, one.id)]


async def test_what_anothers_call_on_hold_has_of_him_stays_and_is_told(site: Site, live: Any) -> None:
    connection, context, settings, asked = site.connection, site.context, site.settings, site.asked
    friend = call("friend", NOW - timedelta(days=2), "+990000000003").says("His is +99 000 000 00 01.", "Thanks.")
    friend.uses("book_fitting", {"customer_phone": NUMBER}).asks_back(NUMBER)
    await insert(connection, [friend])
    await _hold(connection, friend)
    letters = _write(
        settings.paths.state_dir / PLACE,
        "".join(
            json.dumps({"why": "x", "record": {"call": str(one.id), "event": {"caller": f"it is {NUMBER}"}}}) + "\n"
            for one in (friend, site.calls[2])
        ),
    )
    await live.xadd("calls:events", {"call": str(friend.id), "event": json.dumps({"caller": f"it is {NUMBER}"})})
    await callbacks.JOB.run(context(NOW - timedelta(hours=1)))
    (listed,) = (settings.paths.state_dir / "callbacks").iterdir()
    assert listed.read_text().count(DIGITS) == 2  # he himself asked to be called, too
    before = await _words_of(connection, friend)
    stay = "6 rows and lines of others' calls on legal hold"  # three rows, a letter, an entry of Redis, a line
    tried = await erasure.JOB.run(context(NOW, dry_run=True, caller_file=asked))
    assert tried.summary.endswith(f"; {stay} stay")
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert await _words_of(connection, friend) == before
    assert letters.read_text().count(DIGITS) == listed.read_text().count(DIGITS) == 1
    assert str(friend.id) in listed.read_text()
    assert [fields["call"] for _, fields in await live.xrange("calls:events")].count(str(friend.id)) == 1
    assert report.verdict is Verdict.OK
    assert report.summary.endswith(f"; {stay} stay")
    (receipt,) = receipts(settings)
    assert any(note.startswith(f"{stay} have the number in them") for note in receipt["noted"])
    assert await _words_of(connection, site.calls[2]) != []  # his wife's, who is on no hold
    assert DIGITS not in "".join(text or "" for text in await _words_of(connection, site.calls[2]))
    again = await erasure.JOB.run(context(NOW, reapply="yes"))
    assert again.summary.endswith("3 rows of others' calls on legal hold have an erased number in them, and stay")
    assert await _words_of(connection, friend) == before
    report = await erasure.JOB.run(context(NOW, caller_file=asked, override_hold="yes"))
    assert "on legal hold" not in report.summary
    assert_nobody(await everything(connection))
    assert DIGITS not in letters.read_text() + listed.read_text()
    assert str(friend.id) not in {fields["call"] for _, fields in await live.xrange("calls:events")}


async def _detach_as_retention_does(connection: Any, at: datetime) -> str:
    """Make the month of ``at`` and detach it, as a retention leaves it that could not export it; its suffix."""
    month = Month.of(at)
    for parent in PARENTS:
        step = month_step(await read_facts(connection, parent), month)
        async with connection.transaction():
            for statement in step.statements:
                await connection.execute(statement)
        name = month.table(parent.table)
        await connection.execute(f"ALTER TABLE {parent.table} DETACH PARTITION {name}")
        await connection.execute(f"COMMENT ON TABLE {name} IS '{MARK}'")
    return f"{month.year}_{month.month:02}"


async def _in_month(connection: Any, suffix: str) -> str:
    tables = [f"{parent.table}_{suffix}" for parent in PARENTS]
    return "\n".join([row[0] for table in tables for row in await connection.fetch(f"SELECT t::text FROM {table} t")])


async def test_he_is_erased_from_months_that_wait_to_be_exported_too(site: Site) -> None:
    connection, context, asked = site.connection, site.context, site.asked
    old = at("2025-03-05T10:00:00")
    his = call("his old", old, NUMBER, order_id="77123", node=HERE).says("I am Zebulon Quux.", "Hello.")
    wife = call("wife old", old, "+990000000002").says("It is +99 000 000-00-01.", "Yes.")
    wife.uses("book_fitting", {"customer_phone": NUMBER})
    await insert(connection, [his.uses("create_order_draft", {"customer_name": "Zebulon Quux"}), wife])
    suffix = await _detach_as_retention_does(connection, old)
    assert DIGITS in await _in_month(connection, suffix)
    before = await _in_month(connection, suffix)
    await erasure.JOB.run(context(NOW, dry_run=True, caller_file=asked))
    assert await _in_month(connection, suffix) == before
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert_nobody(await _in_month(connection, suffix))
    assert "+990000000002" in await _in_month(connection, suffix)
    assert report.details["places"]["tables"]["calls"] == 3
    assert report.details["places"]["tables"]["mentions in tools"] == 2
    await connection.execute(f"UPDATE calls_{suffix} SET caller = $2 WHERE id = $1", his.id, NUMBER)
    await connection.execute(f"UPDATE call_turns_{suffix} SET text = 'Quux' WHERE call_id = $1", his.id)
    again = await erasure.JOB.run(context(NOW, reapply="yes"))  # as it came back with a restore
    assert again.figures["callers"] == 1
    assert_nobody(await _in_month(connection, suffix))


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
    _write(url, "redis://:secret@127.0.0.1:1/0")
    report = await erasure.JOB.run(context(NOW, caller_file=asked))
    assert report.verdict is Verdict.FAILED
    assert "NOT REACHED: redis (ConnectionError)" in report.summary
    assert "secret" not in str(report)
    (receipt,) = receipts(settings)
    assert receipt["complete"] is False
    _write(url, valkey)
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
    recording = _write(there.paths.recordings / f"{calls[0].id}.wav", "RIFF")
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
    return _write(path, text).open()


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


# -- after a restore --------------------------------------------------------------------------------------------------


async def test_after_a_restore_he_is_erased_again(site: Site) -> None:
    database, connection, context, settings, calls, asked = (
        site.database,
        site.connection,
        site.context,
        site.settings,
        site.calls,
        site.asked,
    )
    await erasure.JOB.run(context(NOW, caller_file=asked))
    erased = await everything(connection)
    tables = "calls, call_turns, call_tool_calls, customers, callbacks, erasures"
    await connection.execute(f"TRUNCATE {tables}")
    later = call("later", NOW + timedelta(days=1), NUMBER).says("Hello again.", "Hello.")
    await insert(connection, [*calls, later])  # as the backup had it, and a call since
    done = await reapply(database, settings.paths.state_dir)
    assert (done.callers, done.rows["calls"], done.rows["customers"]) == (1, 2, 2)
    await connection.execute("DELETE FROM calls WHERE id = $1", later.id)
    await connection.execute("DELETE FROM call_turns WHERE call_id = $1", later.id)
    restored = await everything(connection)
    assert_nobody(restored)
    assert restored.count("Ada Example") == erased.count("Ada Example")
    report = await erasure.JOB.run(context(NOW, reapply="yes"))
    assert report.summary == "0 callers had come back: 0 rows erased again"


async def test_where_nobody_was_erased_a_restore_needs_nothing(database: str, settings: Settings) -> None:
    assert (await reapply(database, settings.paths.state_dir)).callers == 0


async def test_without_its_key_a_restore_is_not_taken_for_done(
    database: str, context: Context, settings: Settings, calls: list[CallRows], asked: str
) -> None:
    await erasure.JOB.run(context(NOW, caller_file=asked))
    _remove(settings.paths.state_dir / KEY)
    with pytest.raises(ConfigurationError, match=r"erasures\.key"):
        await reapply(database, settings.paths.state_dir)


def _remove(path: Path) -> None:
    path.unlink()


async def test_a_database_that_is_away_fails_the_reapplying(
    context: Context, settings: Settings, calls: list[CallRows], asked: str
) -> None:
    await erasure.JOB.run(context(NOW, caller_file=asked))
    away = dataclasses.replace(context(NOW, reapply="yes"), database="postgresql://zebulon@127.0.0.1:1/records")
    with pytest.raises(JobFailed) as failed:
        await erasure.JOB.run(away)
    assert "zebulon" not in str(failed.value)
    assert asyncpg.__name__ not in str(failed.value)
