"""A site whose backups are tested: its database, a storage, a key, the jobs called as the framework calls them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from engine.config import Settings, load_settings
from engine.records.ops_measures import measures_file, read_measures
from ops.backup.log_status import Status, read_status
from ops.backup.site import Site
from ops.jobs import backup, dump, restore_check, wal
from ops.jobs.job import JobContext, Report
from tests.postgres_server import under_test
from tests.waiting import until

JOBS = {job.name: job for job in (backup.JOB, wal.JOB, restore_check.JOB, dump.JOB)}


@dataclass(frozen=True, slots=True)
class Stage:
    """One site."""

    url: str
    settings: Settings
    folder: Path
    """Of the storage, where it is one."""

    @property
    def site(self) -> Site:
        """As the jobs open it."""
        return Site.of(self.settings, time.time)

    def context(self, **arguments: str) -> JobContext:
        """For a job."""
        return JobContext(self.settings, self.url, time.time, arguments)

    async def run(self, job: str, **arguments: str) -> Report:
        """Run a job as the framework does."""
        return await JOBS[job].run(self.context(**arguments))

    def log_figures(self) -> dict[str, float]:
        """What the log's carrier tells of itself; nothing before it has told."""
        told = read_measures(measures_file(self.settings.paths.state_dir)).get("wal", {}).get("figures", {})
        return {str(name): float(value) for name, value in told.items()}

    @contextlib.asynccontextmanager
    async def carrying(self) -> AsyncIterator[None]:
        """The log's carrier runs, and has told of itself; it is killed with the block."""
        running = asyncio.create_task(self.run("wal"))
        try:
            await until(lambda: running.done() or self.log_figures().get("kept_timestamp", 0) > 0)
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def having_kept(self, lsn: int) -> Status:
        """How the log is kept, once that is up to there."""
        system = str(await self.sql("SELECT system_identifier FROM pg_control_system()"))

        async def kept() -> Status | None:
            status = await read_status(self.site, system)
            return status if status is not None and status.kept_lsn >= lsn else None

        found: Status = await until(kept)
        return found

    def having(self, **changes: Any) -> Stage:
        """The same site with other settings of its backups."""
        changed = dataclasses.replace(self.settings.backup, **changes)
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, backup=changed))

    async def sql(self, text: str, *values: Any) -> Any:
        """One statement on the live database; its value."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(text, *values)
        finally:
            await connection.close()


def new_stage(url: str, folder: Path, *, to: str = "", more: dict[str, str] | None = None) -> Stage:
    """A site with a key of its own, its backups in ``folder`` or at ``to``."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "key"
    key.write_text(os.urandom(32).hex())
    key.chmod(0o600)
    kept = folder / "kept"
    settings = load_settings(
        {
            "TRUNKLINE_BACKUP_TO": to or str(kept),
            "TRUNKLINE_BACKUP_KEY_FILE": str(key),
            "TRUNKLINE_BACKUP_WAL_EVERY_S": "1",
            "TRUNKLINE_STATE_DIR": str(folder / "state"),
            "TRUNKLINE_POSTGRES_PROGRAMS": str(under_test() or ""),
            **(more or {}),
        }
    )
    return Stage(url, settings, kept)


async def summarize_log(url: str) -> None:
    """Have the server of ``url`` note what changed, as incremental backups want it; before PostgreSQL 17 none can."""
    connection = await asyncpg.connect(url)
    try:
        if await connection.fetchval("SELECT current_setting('summarize_wal', true)") is not None:
            await connection.execute("ALTER SYSTEM SET summarize_wal = on")
            await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def takes_incremental_ones(stage: Stage) -> bool:
    """Whether the server under test can: from PostgreSQL 17 on."""
    return int(await stage.sql("SHOW server_version_num")) >= 170000


OLDER: Final = "full: the server is older than PostgreSQL 17"
"""What a backup notes of a server that cannot."""


async def forget_slot(url: str, slot: str = "trunkline_wal") -> None:
    """The server's slot goes, once nobody holds it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active",
            slot,
        )
    finally:
        await connection.close()
