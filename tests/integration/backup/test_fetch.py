"""A dump and the globals come out of the storage, checked, and load into another server."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import asyncpg
import pytest

from engine.errors import ConfigurationError
from ops.backup.bringing import bring
from ops.backup.command import run_fetch
from ops.backup.errors import BackupError, Damaged, KeyMismatch
from ops.backup.programs import find_programs
from tests.backup_site.records import count
from tests.backup_site.stage import Stage, new_stage

pytestmark = pytest.mark.timeout(300)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def test_a_dump_comes_out_and_loads(stage: Stage, server: str, tmp_path: Path) -> None:
    made = await stage.run("dump")
    file = tmp_path / "records.dump"
    brought = await bring(stage.site, "dump", file)
    assert brought.identity == made.details["id"]
    assert brought.bytes == os.stat(file).st_size == made.figures["plain_bytes"]  # noqa: PTH116 - in an async test
    assert f"lists {made.details['entries']} entries" in brought.told
    assert mode(file) == 0o600
    connection = await asyncpg.connect(server)
    await connection.execute("DROP DATABASE IF EXISTS loaded WITH (FORCE)")
    await connection.execute("CREATE DATABASE loaded")
    await connection.close()
    loaded = f"{server.rpartition('/')[0]}/loaded"
    programs = find_programs(stage.settings.postgres_programs, await stage.sql("SHOW server_version"))
    await programs.run("pg_restore", "--no-password", f"--dbname={loaded}", file, seconds=60)
    assert await count(loaded) == 300
    with pytest.raises(ConfigurationError, match="is there: move it"):
        await bring(stage.site, "dump", file, identity=brought.identity)


async def test_whoever_brings_a_dump_is_told_to_erase_again(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await stage.run("dump")
    await asyncio.to_thread(run_fetch, stage.settings, "dump", tmp_path / "told.dump")
    assert "`trunkline ops run erasure --reapply yes`" in capsys.readouterr().out
    await stage.run("backup")
    await asyncio.to_thread(run_fetch, stage.settings, "globals", tmp_path / "globals.sql")
    assert "--reapply" not in capsys.readouterr().out


async def test_the_globals_come_out(stage: Stage, tmp_path: Path) -> None:
    await stage.run("backup")
    brought = await bring(stage.site, "globals", tmp_path / "globals.sql")
    assert "CREATE ROLE postgres" in read(brought.file)
    assert mode(brought.file) == 0o600


def read(file: Path) -> str:
    return file.read_text()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_what_is_damaged_or_not_there_leaves_no_file(stage: Stage, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(out)
    with pytest.raises(BackupError, match="there is no dump yet"):
        await bring(stage.site, "dump", out / "dump")
    await stage.run("dump")
    with pytest.raises(BackupError, match="there is no dump 2026"):
        await bring(stage.site, "dump", out / "dump", identity="2026")
    with pytest.raises(KeyMismatch):
        await bring(stage.having(key_file=None).site, "dump", out / "dump")
    flip(next(stage.folder.glob("dumps/*/dump")))
    with pytest.raises(Damaged):
        await bring(stage.site, "dump", out / "dump")
    with pytest.raises(ConfigurationError, match="is no folder"):
        await bring(stage.site, "dump", tmp_path / "none" / "dump")
    assert left(out) == []


def make(folder: Path) -> None:
    folder.mkdir()


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_another_word_is_refused(tmp_path: Path) -> None:
    stage = new_stage("postgresql://x/y", tmp_path / "site")
    with pytest.raises(ConfigurationError, match="expected `dump` or `globals`"):
        run_fetch(stage.settings, "everything", tmp_path / "file")
