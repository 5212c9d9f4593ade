"""The records over every PostgreSQL that this machine has, in seconds. All there is to try: ``make versions``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from engine import sql
from engine.config import Settings
from engine.records.outbox import Outbox
from engine.records.writer import migrations
from ops.jobs import partitions
from ops.jobs.job import JobContext, Verdict
from tests.integration.records.stage import all_of, append, count_all, database_sink, recording, written
from tests.postgres_server import running_postgres
from tests.records_stage import BEGAN, RecordedCall
from tests.versions.programs import embedded, found, installed

HERE: Final = installed() | found()
"""Beside the one that the package brings, over which all tests run."""


@pytest.mark.parametrize("version", sorted(HERE) or ["embedded"])
async def test_a_call_is_recorded_and_its_month_made(version: str, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", segment_bytes=1 << 16, reserve_bytes=1 << 16)
    outbox.open()
    with running_postgres(HERE.get(version) or embedded()) as url:
        connection = await asyncpg.connect(url)
        assert await sql.migrate(connection, migrations()) == [one.name for one in migrations()]
        sink = database_sink(url, outbox)
        async with recording(outbox, sink):
            await written(outbox, sink, append(outbox, RecordedCall().all()))
        report = await partitions.JOB.run(JobContext(Settings(), url, time.time))
        assert report.verdict is Verdict.OK
        assert await count_all(connection) == all_of(1)
        month = f"calls_{datetime.fromtimestamp(BEGAN, UTC):%Y_%m}"
        assert await connection.fetchval(f"SELECT count(*) FROM {month}") == 1
        number = await connection.fetchval("SHOW server_version_num")
        assert number.startswith(version if version in HERE else "18")
        await connection.close()
    outbox.close()
