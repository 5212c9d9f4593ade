"""Erased callers whom a restore brought back are erased again."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from engine.config import Settings
from engine.errors import ConfigurationError
from engine.records.erasure_rows import reapply
from engine.records.tombstones import KEY
from ops.jobs import erasure
from ops.jobs.job import JobFailed
from tests.integration.reports.erasure.stage import (
    NOW,
    NUMBER,
    Context,
    Site,
    assert_nobody,
    everything,
)
from tests.records_rows import CallRows, call, insert


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
