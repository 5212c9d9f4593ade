"""The call-back list, and the job of the knowledge database."""

from __future__ import annotations

import csv
import dataclasses
import io
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.config import Secret, Settings
from engine.config.reports import ReportSettings
from engine.errors import ConfigurationError, KnowledgeUnavailable
from ops.jobs import callbacks, embeddings
from ops.jobs.job import JobContext, JobFailed, Verdict
from tests.postgres_server import needs_pgvector
from tests.records_rows import at, call, insert
from tests.word_meaning import WordMeaning

Context = Callable[..., JobContext]
NOW = at("2026-11-24T06:00:00")


def listed(folder: Path, day: str = "2026-11-24") -> list[dict[str, str]]:
    text = (folder / f"{day}.csv").read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.paths.state_dir / "callbacks"


@pytest.fixture
def kept(folder: Path) -> Path:
    """The folder with lists of earlier days in it, and other files."""
    folder.mkdir(parents=True)
    for name in ("2026-11-09.csv", "2026-11-10.csv", "notes.csv", "2026-11-09.csv.bak"):
        (folder / name).write_text("x")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


async def with_callbacks(connection: Any) -> None:
    hours = {"fresh": 2, "waits": 30, "forgotten": 24 * 15, "taken": 5, "done": 3}
    calls = [
        call(name, NOW - timedelta(hours=age), f"+99000000000{index}").asks_back(f"+99000000000{index}")
        for index, (name, age) in enumerate(hours.items())
    ]
    await insert(connection, calls)
    for state in ("taken", "done"):
        name = next(one for one, kept in zip(calls, hours, strict=True) if kept == state)
        await connection.execute("UPDATE callbacks SET state = $2, taken_by = '201' WHERE call_id = $1", name.id, state)


async def test_the_list_has_who_is_to_be_called_the_longest_waiting_first(
    connection: Any, context: Context, folder: Path
) -> None:
    await with_callbacks(connection)
    report = await callbacks.JOB.run(context(NOW))
    assert report.summary == "3 call-backs are open, 1 of them late; 1 closed as unreachable"
    rows = listed(folder)
    assert [(row["phone"], row["late"], row["state"], row["taken_by"]) for row in rows] == [
        ("+990000000001", "yes", "open", ""),
        ("+990000000003", "no", "taken", "201"),
        ("+990000000000", "no", "open", ""),
    ]
    assert (
        rows[0] | {"name": "Ada Example", "asked": "2026-11-23 02:00", "waiting_h": "30.0", "business": "tyre_shop"}
        == rows[0]
    )
    assert modes(folder) == {0o700, 0o600}
    for number in range(5):
        assert f"00000000{number}" not in str(report)


async def test_what_was_closed_stays_closed(connection: Any, context: Context) -> None:
    await with_callbacks(connection)
    await callbacks.JOB.run(context(NOW))
    states = {
        row["state"]: row["count"] for row in await connection.fetch("SELECT state, count(*) FROM callbacks GROUP BY 1")
    }
    assert states == {"open": 2, "taken": 1, "done": 1, "unreachable": 1}
    assert (await callbacks.JOB.run(context(NOW))).figures["closed"] == 0


async def test_the_wait_begins_when_he_wants_to_be_called(connection: Any, context: Context, folder: Path) -> None:
    await insert(connection, [call("one", NOW - timedelta(hours=30)).asks_back("+990000000001")])
    await connection.execute("UPDATE callbacks SET not_before = $1", NOW + timedelta(hours=3))
    await callbacks.JOB.run(context(NOW))
    (row,) = listed(folder)
    assert (row["late"], row["waiting_h"], row["not_before"]) == ("no", "0.0", "2026-11-24 11:00")


async def test_lists_are_kept_as_long_as_callbacks(context: Context, kept: Path) -> None:
    await callbacks.JOB.run(context(NOW))
    assert names_in(kept) == ["2026-11-09.csv.bak", "2026-11-10.csv", "2026-11-24.csv", "notes.csv"]
    assert listed(kept) == []


@pytest.mark.parametrize(
    ("reason", "cell"), [("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("+1 tyre", "'+1 tyre"), ("delivery", "delivery")]
)
async def test_no_cell_is_a_formula(connection: Any, context: Context, folder: Path, reason: str, cell: str) -> None:
    await insert(connection, [call("one", NOW - timedelta(hours=3)).asks_back("+990000000001")])
    await connection.execute("UPDATE callbacks SET reason = $1", reason)
    await callbacks.JOB.run(context(NOW))
    (row,) = listed(folder)
    assert (row["reason"], row["phone"]) == (cell, "+990000000001")


async def test_erased_ones_are_not_listed(connection: Any, context: Context, folder: Path) -> None:
    await insert(connection, [call("one", NOW - timedelta(hours=3)).asks_back("+990000000001")])
    await connection.execute("UPDATE callbacks SET phone = NULL")
    await callbacks.JOB.run(context(NOW))
    assert listed(folder) == []


async def test_a_rehearsal_changes_nothing(connection: Any, context: Context, settings: Settings, folder: Path) -> None:
    await with_callbacks(connection)
    soon = dataclasses.replace(settings, reports=ReportSettings(callbacks_keep_days=1))
    await callbacks.JOB.run(context(NOW, settings=soon, dry_run=True))
    assert names_in(folder) == []
    assert await connection.fetchval("SELECT count(*) FROM callbacks WHERE state = 'unreachable'") == 0


async def test_a_folder_that_cannot_be_written_is_told(context: Context, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    blocked = dataclasses.replace(settings, paths=dataclasses.replace(settings.paths, state_dir=tmp_path / "file"))
    with pytest.raises(JobFailed, match="could not be written"):
        await callbacks.JOB.run(context(NOW, settings=blocked))


# -- the knowledge database -------------------------------------------------------------------------------------------


def with_knowledge(settings: Settings, database: str) -> Settings:
    return dataclasses.replace(settings, knowledge=dataclasses.replace(settings.knowledge, source=Secret(database)))


async def test_articles_are_embedded_once(
    database: str, connection: Any, context: Context, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await needs_pgvector(connection)
    monkeypatch.setattr(embeddings, "Meaning", WordMeaning)
    there = with_knowledge(settings, database)
    first = await embeddings.JOB.run(context(NOW, settings=there))
    assert first.verdict is Verdict.OK
    assert first.figures["embedded"] == await connection.fetchval("SELECT count(*) FROM knowledge_articles") > 10
    again = await embeddings.JOB.run(context(NOW, settings=there))
    assert (again.figures["embedded"], again.figures["articles"]) == (0, first.figures["articles"])


async def test_without_a_knowledge_database_it_is_skipped(context: Context) -> None:
    assert (await embeddings.JOB.run(context(NOW))).verdict is Verdict.SKIPPED


async def test_one_that_is_away_is_told_without_its_address(context: Context, settings: Settings) -> None:
    away = with_knowledge(settings, "postgresql://zebulon:secret@127.0.0.1:1/knowledge")
    with pytest.raises(KnowledgeUnavailable) as told:
        await embeddings.JOB.run(context(NOW, settings=away))
    assert "zebulon" not in str(told.value)


async def test_a_rehearsal_embeds_nothing(context: Context, settings: Settings) -> None:
    away = with_knowledge(settings, "postgresql://127.0.0.1:1/knowledge")
    report = await embeddings.JOB.run(context(NOW, settings=away, dry_run=True))
    assert "would be compared" in report.summary


async def test_a_switch_that_is_neither_yes_nor_no_is_refused(context: Context) -> None:
    with pytest.raises(ConfigurationError, match="yes or no"):
        await embeddings.JOB.run(context(NOW, forget_other_models="perhaps"))
