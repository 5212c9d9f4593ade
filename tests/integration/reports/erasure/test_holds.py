"""Calls on legal hold, and months that wait to be dropped: what is erased of them, and what stays and is told."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.config import Settings
from engine.records.months import Month
from engine.records.partition_facts import read_facts
from engine.records.partitions import PARENTS, month_step
from engine.records.retention import MARK
from engine.records.tombstones import TOMBSTONES
from ops.jobs import callbacks, erasure
from ops.jobs.dead_letters import PLACE
from ops.jobs.job import JobFailed, Verdict
from tests.integration.reports.erasure.stage import (
    DIGITS,
    HERE,
    NOW,
    NUMBER,
    Context,
    Site,
    assert_nobody,
    everything,
    names_in,
    receipts,
    write,
)
from tests.records_rows import CallRows, at, call, insert


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
    letters = write(
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
