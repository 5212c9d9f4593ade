"""Backups of an older PostgreSQL, and by pgBackRest, where the machine has them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.config import PostgresProgramSettings, Settings
from ops.backup.errors import BackupError
from ops.backup.pgbackrest import PgBackRest
from ops.backup.programs import Programs, find_programs
from ops.backup.site import workshop
from ops.backup.throwaway import fresh
from ops.backup.throwaway_account import account
from ops.jobs.job import Verdict
from tests.backup_site.records import fill
from tests.backup_site.stage import Stage, new_stage

pytestmark = pytest.mark.timeout(300)

OPTIONS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "16MB"}


def older() -> Programs:
    """Of a PostgreSQL that the package does not bring; skips where the machine has none."""
    for version in ("17", "16", "15"):
        try:
            found = find_programs(PostgresProgramSettings(), version)
            found.path("postgres")
        except BackupError:
            continue
        return found
    pytest.skip("this machine has no PostgreSQL 15, 16 or 17 (Debian: postgresql-15)")


@pytest.fixture
async def old_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    programs = older()
    async with workshop(Settings(), "old") as work, fresh(programs, account(Settings()), work, OPTIONS) as url:
        await fill(url)
        yield new_stage(url, tmp_path / "site")


async def test_an_older_server_is_backed_up_by_its_own_programs(old_stage: Stage) -> None:
    for _ in range(2):
        made = await old_stage.run("backup")
        assert made.verdict is Verdict.OK
        assert made.details["tools"] == made.details["server"]
        assert made.details["server"].startswith(("15", "16", "17"))
    checked = await old_stage.run("restore-check")
    assert checked.verdict is Verdict.OK
    assert checked.figures["rows"] == made.figures["rows"]


async def test_pgbackrest_is_driven_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("pgbackrest")
    if program is None:
        pytest.skip("pgbackrest is not installed (Debian: apt install pgbackrest)")
    programs, who = older(), account(Settings())
    async with workshop(Settings(), "pgbackrest") as work:
        for folder in ("repository", "lock", "log", "spool"):
            (work / folder).mkdir(mode=0o700)
            who.own(work / folder)
        paths = f"--repo1-path={work}/repository --pg1-path={work}/data --lock-path={work}/lock"
        command = f"{program} --stanza=trunkline {paths}"
        archiving = {
            "archive_mode": "on",
            "archive_command": f"{command} --log-path={work}/log archive-push %p",
            "wal_level": "replica",
        }
        async with fresh(programs, who, work, {**OPTIONS, **archiving}) as url:
            await fill(url)
            for name, value in {
                "REPO1_PATH": f"{work}/repository",
                "PG1_PATH": f"{work}/data",
                "PG1_SOCKET_PATH": url.partition("host=")[2].partition("&")[0],
                "PG1_USER": "postgres",
                "LOCK_PATH": f"{work}/lock",
                "LOG_PATH": f"{work}/log",
                "SPOOL_PATH": f"{work}/spool",
                "START_FAST": "y",
            }.items():
                monkeypatch.setenv(f"PGBACKREST_{name}", value)
            settings_stage = new_stage(url, work / "site").having(tool="pgbackrest")
            tool = PgBackRest.found(settings_stage.settings)
            await tool._run("stanza-create")
            with pytest.raises(BackupError, match="pgbackrest has no backup of stanza trunkline yet"):
                await settings_stage.run("restore-check")
            made = await settings_stage.run("backup")
            assert made.verdict is Verdict.OK
            assert made.details["kind"] == "full"
            assert made.details["tool"].startswith("2.")
            assert (await settings_stage.run("backup")).details["kind"] == "incr"
            checked = await settings_stage.run("restore-check")
            assert checked.verdict is Verdict.OK
            assert checked.figures["recovery_seconds"] > 0
            assert (await settings_stage.run("wal")).verdict is Verdict.SKIPPED
            spoilt = next(path for path in (work / "repository" / "backup").rglob("*.gz") if path.stat().st_size > 2000)
            spoilt.write_bytes(os.urandom(spoilt.stat().st_size))
            with pytest.raises(BackupError, match="pgbackrest"):
                await settings_stage.run("restore-check")
