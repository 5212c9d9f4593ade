"""The retention job while somebody else holds a table of a month that waits: it is told, and holds up no other."""

from __future__ import annotations

import contextlib
import csv
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.jobs import partitions as partitions_job
from ops.jobs import retention
from ops.jobs.job import Report, Verdict
from tests.integration.operations.site import Site, add_call


@pytest.fixture
async def waiting(site: Site, connection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """September and October 2025 were detached and could not be exported; a lock is waited for once, for a moment."""
    for month in (9, 10):
        await add_call(connection, datetime(2025, month, 4, tzinfo=UTC))
    await site.run(partitions_job.JOB, more={"TRUNKLINE_RETENTION_METADATA_DAYS": "500"})
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    assert (await _run(site, blocked)).details["removed"] == []
    await connection.execute("UPDATE call_turns_2025_09 SET text = 'my words'")
    monkeypatch.setattr(retention, "LOCK_TRIES", 1)
    monkeypatch.setattr(retention, "LOCK_MS", 200)
    return site


async def _run(site: Site, folder: Path) -> Report:
    more = {"TRUNKLINE_RETENTION_EXPORT_DIR": str(folder)}
    return await site.run(retention.JOB, more=more, arguments={"trust-clock": "yes"})


@contextlib.asynccontextmanager
async def _locked(site: Site, table: str, mode: str) -> AsyncIterator[None]:
    holder = await site.connect()
    try:
        async with holder.transaction():
            await holder.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield
    finally:
        await holder.close()


async def test_a_month_whose_words_cannot_be_removed_is_not_exported(waiting: Site, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    async with _locked(waiting, "call_turns_2025_09", "SHARE"):
        report = await _run(waiting, folder)
    assert report.verdict is Verdict.FAILED
    assert "words in 2025-09, which a run before detached: its locks were not to be had" in report.summary
    assert report.details["removed"] == ["2025-10"]
    assert not list(folder.glob("*2025_09*"))
    assert "removed.customers" in report.figures  # what lies beside the months was seen to, too
    again = await _run(waiting, folder)
    assert (again.verdict, again.details["removed"]) == (Verdict.OK, ["2025-09"])
    assert again.figures["texts_removed.turns"] == 2
    with gzip.open(folder / "call_turns_2025_09.csv.gz", "rt", newline="") as packed:
        assert [row["text"] for row in csv.DictReader(packed)] == ["", ""]


async def test_what_hinders_a_month_beside_which_nobody_is_erased_is_told(waiting: Site, tmp_path: Path) -> None:
    async with _locked(waiting, "calls_2025_09", "ACCESS SHARE"):  # somebody reads it: it cannot be dropped
        report = await _run(waiting, tmp_path / "exports")
    assert report.verdict is Verdict.FAILED
    assert "2025-09: its locks were not to be had" in report.summary
    assert report.details["removed"] == ["2025-10"]
