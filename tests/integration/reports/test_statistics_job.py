"""Daily figures counted by a real database, against the same counted in Python; and the weekly report of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import stat
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
import pytest

from engine.config import Settings
from engine.config.prices import PriceSettings
from engine.errors import ConfigurationError
from ops.jobs import quality, report, statistics
from ops.jobs.job import JobContext, JobFailed, Verdict
from tests.records_rows import CallRows, at, call, insert, some_calls

Context = Callable[..., JobContext]
KYIV = ZoneInfo("Europe/Kyiv")
MONDAY = at("2026-11-22T22:00:00")
"""Monday, 23 November, where the shop is."""
NOW = at("2026-11-30T03:00:00")


async def stored(connection: Any) -> dict[tuple[date, str], dict[str, Any]]:
    rows = await connection.fetch("SELECT day, playbook, figures FROM daily_stats")
    return {(row["day"], row["playbook"]): json.loads(row["figures"]) for row in rows}


def of_day(calls: Sequence[CallRows], day: date) -> list[CallRows]:
    return [one for one in calls if one.call["started_at"].astimezone(KYIV).date() == day]


async def test_figures_are_those_of_the_rows(connection: Any, context: Context) -> None:
    calls = list(some_calls(1, MONDAY, 7, 80))
    await insert(connection, calls)
    made = await statistics.JOB.run(context(NOW))
    assert made.figures["days"] == 7
    found = await stored(connection)
    for day, figures in ((day, figures) for (day, _), figures in found.items()):
        rows = of_day(calls, day)
        assert figures["calls"]["total"] == len(rows)
        assert figures["calls"]["callers"] == len({one.call["caller"] for one in rows})
        assert figures["calls"]["turns"] == sum(one.call["turns"] for one in rows)
        assert figures["calls"]["callbacks"] == sum(one.callback is not None for one in rows)
        assert figures["outcomes"] == Counter(one.call["outcome"] for one in rows)
        transfers = Counter(one.call["transfer_reason"] for one in rows if one.call["outcome"] == "transferred")
        assert figures["transfers"] == transfers
        hours = Counter(one.call["started_at"].astimezone(KYIV).hour for one in rows)
        assert figures["hours"] == [hours[hour] for hour in range(24)]
        answers = [turn["stages"]["on_the_wire"] for one in rows for turn in one.turns if turn["stages"]]
        told = figures["latency"]["on_the_wire"]
        assert told["count"] == len(answers)
        cuts = quantiles(answers, n=100, method="inclusive")
        assert (told["p50"], told["p95"]) == pytest.approx((cuts[49], cuts[94]), abs=1e-3)
        tools = Counter(tool["name"] for one in rows for tool in one.tools)
        assert {name: tool["count"] for name, tool in figures["tools"].items()} == tools
        failed = sum(not tool["success"] for one in rows for tool in one.tools)
        assert sum(tool["failures"] for tool in figures["tools"].values()) == failed
        for name in ("input_tokens", "output_tokens"):
            assert figures["model"][name] == sum(one.call[name] for one in rows) > 0
        assert figures["cost"]["llm"] == pytest.approx(sum(one.call["cost"]["llm"] for one in rows))
    assert sum(figures["calls"]["total"] for figures in found.values()) == 560


async def test_a_second_run_changes_nothing(connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(2, MONDAY, 3, 20)))
    await statistics.JOB.run(context(NOW))
    before = await connection.fetch("SELECT * FROM daily_stats ORDER BY day")
    assert (await statistics.JOB.run(context(NOW))).figures["days"] == 0
    assert (await statistics.JOB.run(context(NOW, day="2026-11-24"))).figures["days"] == 0
    assert await connection.fetch("SELECT * FROM daily_stats ORDER BY day") == before


async def test_a_day_whose_calls_came_late_is_made_again(connection: Any, context: Context) -> None:
    calls = list(some_calls(3, MONDAY, 3, 20))
    await insert(connection, calls[:-10])
    assert (await statistics.JOB.run(context(NOW))).figures["days"] == 3
    await insert(connection, calls[-10:])
    assert (await statistics.JOB.run(context(NOW))).figures["days"] == 1
    totals = {day: figures["calls"]["total"] for (day, _), figures in (await stored(connection)).items()}
    assert totals == {date(2026, 11, 23): 20, date(2026, 11, 24): 20, date(2026, 11, 25): 20}


async def test_so_is_one_whose_calls_were_scored_since(connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(4, MONDAY, 1, 20)))
    await statistics.JOB.run(context(NOW))
    await quality.JOB.run(context(NOW))
    assert (await statistics.JOB.run(context(NOW))).figures["days"] == 1
    (figures,) = (await stored(connection)).values()
    assert figures["quality"]["scored"] == 20
    mean = await connection.fetchval("SELECT avg(quality_score) FROM calls")
    assert figures["quality"]["mean"] == pytest.approx(mean, abs=1e-3)
    assert set(figures["quality"]["criteria"]) >= {"greeted", "resolved", "concise"}


async def test_so_is_one_whose_lost_call_told_its_end_late(connection: Any, context: Context) -> None:
    lost = call("lost", MONDAY, outcome="failed", ending_reason="engine_lost", next=None).says("Hello?", "Hello.")
    await insert(connection, [lost])
    await statistics.JOB.run(context(NOW))
    again = await statistics.JOB.run(context(NOW))
    await connection.execute("UPDATE calls SET ended_at = ended_at + interval '1 minute'")  # as "endings" moves it
    moved = await statistics.JOB.run(context(NOW))
    (figures,) = (await stored(connection)).values()
    assert (again.figures["days"], moved.figures["days"]) == (0, 1)
    assert (figures["calls"]["seconds"], figures["endings"]) == (180.0, {"engine_lost": 1})
    await connection.execute("UPDATE calls SET outcome = 'resolved', ending_reason = 'goodbye', next = 'hangup'")
    assert (await statistics.JOB.run(context(NOW))).figures["days"] == 1
    (figures,) = (await stored(connection)).values()
    assert (figures["outcomes"], figures["endings"]) == ({"resolved": 1}, {"goodbye": 1})
    assert "lost" not in figures["made_from"], "days without one are known as they were before"


async def test_figures_outlive_their_calls(connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(5, MONDAY, 2, 20)))
    await statistics.JOB.run(context(NOW))
    before = await stored(connection)
    await connection.execute("DELETE FROM calls WHERE started_at < $1", MONDAY + timedelta(hours=13))
    made = await statistics.JOB.run(context(NOW))
    assert (made.figures["days"], made.figures["kept"]) == (0, 1)
    asked = await statistics.JOB.run(context(NOW, day="2026-11-23"))
    assert (asked.figures["days"], asked.figures["kept"]) == (0, 1)
    assert await stored(connection) == before


async def test_a_day_ends_where_the_business_is(connection: Any, context: Context) -> None:
    before, after = at("2026-11-23T21:59:59"), at("2026-11-23T22:00:00")
    await insert(connection, [call("before", before), call("after", after)])
    await statistics.JOB.run(context(NOW))
    found = {day: figures["calls"]["total"] for (day, _), figures in (await stored(connection)).items()}
    assert found == {date(2026, 11, 23): 1, date(2026, 11, 24): 1}


async def test_a_day_with_a_change_of_clocks_has_all_its_calls(connection: Any, context: Context) -> None:
    begin = at("2026-10-24T21:00:00")  # midnight of 25 October there; the day has 25 hours
    await insert(connection, [call(f"{hour}", begin + timedelta(hours=hour, minutes=30)) for hour in range(25)])
    await statistics.JOB.run(context(at("2026-10-27T00:00:00")))
    (found,) = (await stored(connection)).items()
    assert (found[0][0], found[1]["calls"]["total"]) == (date(2026, 10, 25), 25)
    assert found[1]["hours"][3] == 2


async def test_today_is_made_only_where_it_is_asked_for(connection: Any, context: Context) -> None:
    await insert(connection, list(some_calls(6, MONDAY, 1, 9)))
    noon = MONDAY + timedelta(hours=12)
    assert (await statistics.JOB.run(context(noon))).figures["days"] == 0
    assert (await statistics.JOB.run(context(noon, day="2026-11-23"))).figures["days"] == 1


async def test_each_business_has_its_own(connection: Any, context: Context) -> None:
    calls = list(some_calls(7, MONDAY, 1, 20))
    for one in calls[::2]:
        one.call["playbook"] = "clinic"
    await insert(connection, calls)
    await statistics.JOB.run(context(NOW))
    found = {playbook: figures["calls"]["total"] for (_, playbook), figures in (await stored(connection)).items()}
    assert found == {"clinic": 10, "tyre_shop": 10}


async def test_what_is_no_number_is_no_figure(connection: Any, context: Context) -> None:
    one = call("odd", MONDAY + timedelta(hours=9)).says("", "Hello.").says("a", "b")
    await insert(connection, [one])
    await connection.execute("""UPDATE call_turns SET stages = '{"on_the_wire": "soon", "first_token": 0.5}'""")
    await connection.execute("""UPDATE calls SET cost = '["x"]', quality = '{"greeted": 1}', quality_score = 1""")
    await statistics.JOB.run(context(NOW))
    (figures,) = (await stored(connection)).values()
    assert list(figures["latency"]) == ["first_token"]
    assert (figures["cost"], figures["quality"]["criteria"]) == ({}, {})


async def test_nobodys_number_or_words_are_in_figures(connection: Any, context: Context) -> None:
    one = call(
        "odd",
        MONDAY + timedelta(hours=9),
        scenario="+990000000001",
        ending_reason="said Zebulon Quux",
        outcome="transferred",
        transfer_reason="990000000001",
    )
    await insert(connection, [one])
    await statistics.JOB.run(context(NOW))
    text = await connection.fetchval("SELECT figures::text FROM daily_stats")
    assert "99000" not in text
    assert "Quux" not in text


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "23.11.2026"])
async def test_a_day_that_is_none_is_refused(context: Context, day: str) -> None:
    with pytest.raises(ConfigurationError, match="--day"):
        await statistics.JOB.run(context(NOW, day=day))


async def test_calls_are_priced_once(connection: Any, context: Context, settings: Settings) -> None:
    long = call("long", MONDAY, ended_at=MONDAY + timedelta(minutes=3), cost={})
    long.says("Hello?", "x" * 500).says("Yes", "y" * 250)
    refused, running = (call(name, MONDAY, cost={}) for name in ("refused", "running"))
    refused.call["outcome"], running.call["ended_at"] = "refused", None
    await insert(connection, [long, refused, running])
    await statistics.JOB.run(context(NOW))
    assert await connection.fetchval("SELECT count(*) FROM calls WHERE cost <> '{}'") == 0
    prices = PriceSettings(telephony_minute=0.01, synthesis_characters=0.02)
    priced = dataclasses.replace(settings, prices=prices)
    made = await statistics.JOB.run(context(NOW, settings=priced))
    assert (made.figures["priced"], made.figures["days"]) == (1, 1), "the day is counted again"
    costs = await connection.fetch("SELECT cost FROM calls WHERE cost <> '{}'")
    assert [json.loads(row["cost"]) for row in costs] == [{"telephony": 0.03, "tts": 0.015}]
    (figures,) = (await stored(connection)).values()
    assert figures["cost"] == {"telephony": 0.03, "tts": 0.015}
    again = await statistics.JOB.run(context(NOW, settings=dataclasses.replace(settings, prices=PriceSettings(9.0))))
    assert (again.figures["priced"], again.figures["days"]) == (0, 0)


async def test_tokens_are_priced_as_far_as_they_are_known(
    connection: Any, context: Context, settings: Settings
) -> None:
    def used(name: str, asked: int | None, unknown: int | None, read: int | None, wrote: int | None) -> CallRows:
        more: dict[str, Any] = {
            "model_asked": asked,
            "model_unknown": unknown,
            "input_tokens": read,
            "output_tokens": wrote,
        }
        return call(name, MONDAY, cost={}, **more).says("Hello?", "Hello.")

    told = used("told", 3, 1, 20_000, 1_000)
    silent, older, rules = used("silent", 2, 2, None, None), used("older", *[None] * 4), used("rules", 2, 0, 0, 0)
    await insert(connection, [told, silent, older, rules])
    prices = PriceSettings(model_input_tokens=2.5, model_output_tokens=10.0)
    with_prices = context(NOW, settings=dataclasses.replace(settings, prices=prices))
    priced = [(await statistics.JOB.run(with_prices)).figures["priced"] for _ in range(2)]
    assert priced == [2, 0], "rows of calls without an amount are not written night after night"
    costs = {row["id"]: json.loads(row["cost"]) for row in await connection.fetch("SELECT id, cost FROM calls")}
    assert costs == {told.id: {"llm": 0.06}, silent.id: {}, older.id: {}, rules.id: {"llm": 0}}
    (figures,) = (await stored(connection)).values()
    assert figures["cost"] == {"llm": 0.06}
    assert figures["model"] == {
        "asked": 7,
        "unknown": 3,
        "not_recorded": 1,
        "input_tokens": 20_000,
        "output_tokens": 1_000,
    }


# -- the weekly report ------------------------------------------------------------------------------------------------


async def test_the_report_of_the_week_before(connection: Any, context: Context, settings: Settings) -> None:
    calls = list(some_calls(8, MONDAY, 7, 40))
    await insert(connection, calls)
    await quality.JOB.run(context(NOW))
    await statistics.JOB.run(context(NOW))
    made = await report.JOB.run(context(NOW))
    assert made.verdict is Verdict.OK
    assert made.summary.startswith("2026-W48: 280 calls of 1 businesses, written")
    folder = settings.paths.state_dir / "reports"
    assert sorted(path.name for path in folder.iterdir()) == ["2026-W48-details.csv", "2026-W48.csv", "2026-W48.pdf"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    document = pypdfium2.PdfDocument(folder / "2026-W48.pdf")
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    document.close()
    assert "Calls of tyre_shop" in text
    assert "280" in text
    table = list(csv.DictReader(io.StringIO((folder / "2026-W48.csv").read_text("utf-8-sig"))))
    assert sum(int(row["total"]) for row in table) == 280
    _assert_nobody(folder, calls, text)


def _assert_nobody(folder: Path, calls: Sequence[CallRows], text: str) -> None:
    written = text + "".join(path.read_text("utf-8-sig") for path in folder.glob("*.csv"))
    for one in calls:
        assert one.call["caller"] not in written
        assert one.call["caller"][3:] not in written
        assert str(one.id) not in written
    assert "Ada" not in written


async def test_it_may_be_written_again(connection: Any, context: Context, settings: Settings) -> None:
    await insert(connection, list(some_calls(9, MONDAY, 2, 10)))
    await statistics.JOB.run(context(NOW))
    await report.JOB.run(context(NOW, week="2026-W48"))
    path = settings.paths.state_dir / "reports" / "2026-W48.pdf"
    before = path.read_bytes()
    await report.JOB.run(context(NOW, week="2026-W48"))
    assert path.read_bytes() == before


async def test_a_week_is_the_business_s_own_and_its_report_is_made_once(
    connection: Any, context: Context, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = "America/Los_Angeles"
    for job in (statistics, report):
        monkeypatch.setattr(job, "timezones", lambda _: ({}, zone))
    sunday = at("2026-11-30T06:00:00")  # Sunday, ten in the evening, where the shop is
    calls = [call("late", sunday), *some_calls(9, MONDAY, 7, 3)]
    await insert(connection, calls)
    files = settings.paths.state_dir / "reports"
    for day in ("11-30", "12-01"):
        now = at(f"2026-{day}T05:30:00")
        await statistics.JOB.run(context(now))
        made = await report.JOB.run(context(now))
        assert (files / "2026-W48.pdf").exists() == (day == "12-01")
    assert made.verdict is Verdict.OK
    table = list(csv.DictReader(io.StringIO((files / "2026-W48.csv").read_text("utf-8-sig"))))
    days = [one.call["started_at"].astimezone(ZoneInfo(zone)).date() for one in calls]
    assert {row["day"]: int(row["total"]) for row in table}["2026-11-29"] == days.count(date(2026, 11, 29)) > 0
    assert sum(int(row["total"]) for row in table) == sum(date(2026, 11, 23) <= each for each in days)
    again = await report.JOB.run(context(at("2026-12-02T05:30:00")))
    assert (again.verdict, again.summary.split(":")[0]) == (Verdict.OK, "2026-W48 was written before")


async def test_a_week_without_figures_is_skipped_and_says_what_to_do(context: Context, settings: Settings) -> None:
    made = await report.JOB.run(context(NOW))
    assert made.verdict is Verdict.SKIPPED
    assert "run statistics" in made.summary
    assert not (settings.paths.state_dir / "reports").exists()


async def test_a_rehearsal_writes_nothing(connection: Any, context: Context, settings: Settings) -> None:
    await insert(connection, list(some_calls(9, MONDAY, 2, 10)))
    assert "would be made" in (await statistics.JOB.run(context(NOW, dry_run=True))).summary
    assert await stored(connection) == {}
    await statistics.JOB.run(context(NOW))
    assert "would be written" in (await report.JOB.run(context(NOW, dry_run=True))).summary
    assert not (settings.paths.state_dir / "reports").exists()


async def test_a_folder_that_cannot_be_written_is_told(
    connection: Any, context: Context, settings: Settings, tmp_path: Path
) -> None:
    await insert(connection, list(some_calls(9, MONDAY, 1, 3)))
    await statistics.JOB.run(context(NOW))
    (tmp_path / "file").write_text("")
    blocked = dataclasses.replace(settings, paths=dataclasses.replace(settings.paths, state_dir=tmp_path / "file"))
    with pytest.raises(JobFailed, match="could not be written"):
        await report.JOB.run(context(NOW, settings=blocked))


@pytest.mark.parametrize("week", ["48", "2026-W60", "next"])
async def test_a_week_that_is_none_is_refused(context: Context, week: str) -> None:
    with pytest.raises(ConfigurationError, match="--week"):
        await report.JOB.run(context(NOW, week=week))


async def test_a_package_that_is_missing_is_named(
    connection: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert(connection, list(some_calls(9, MONDAY, 1, 3)))
    await statistics.JOB.run(context(NOW))
    monkeypatch.setitem(sys.modules, "ops.weekly.pages", None)
    with pytest.raises(ConfigurationError, match=r"trunkline\[reports\]"):
        await report.JOB.run(context(NOW))
