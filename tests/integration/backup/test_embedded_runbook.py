"""docs/runbooks/restore.md for the database beside the engine, on the site that ``trunkline up`` leaves."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError
from engine.records.places import database_url
from ops.backup.command import run_restore
from ops.bench.engine_process import engine_process
from ops.child import ServerFailed
from ops.embedded_postgres import RESTORED, find_home
from ops.own_postgres import OwnPostgres
from tests.backup_site.records import add_calls
from tests.backup_site.stage import Stage
from tests.embedded import open_folder
from tests.integration.backup.test_runbook import RUNBOOK, shell
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]
QUICK = {
    "TRUNKLINE_STT": "scripted",
    "TRUNKLINE_TTS": "scripted",
    "TRUNKLINE_LLM": "policy",
    "TRUNKLINE_STORE_TOKEN": "shop",
    "TRUNKLINE_CAPACITY": "2",
    "TRUNKLINE_OPS_SCHEDULE": "off",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        (path / "key").write_text(secrets.token_hex(32))
        (path / "key").chmod(0o600)
        yield path


def variables(folder: Path) -> dict[str, str]:
    return {
        "TRUNKLINE_STATE_DIR": str(folder / "state"),
        "TRUNKLINE_BACKUP_TO": str(folder / "kept"),
        "TRUNKLINE_BACKUP_KEY_FILE": str(folder / "key"),
        "TRUNKLINE_BACKUP_WAL_EVERY_S": "1",
    }


def blocks() -> list[str]:
    """The commands of its section, in order."""
    section = RUNBOOK.read_text("utf-8").partition("## The embedded database")[2].partition("\n## ")[0]
    return [
        textwrap.dedent(each) for each in re.findall(r"^   ```sh\n(.*?)^   ```$", section, re.MULTILINE | re.DOTALL)
    ]


async def added(settings: Settings, number: int) -> None:
    url = await until(lambda: database_url(settings))
    connection = await asyncpg.connect(url)
    await add_calls(connection, number)
    await connection.close()


async def test_the_page_brings_an_embedded_site_back(folder: Path) -> None:
    settings = load_settings(variables(folder))
    program = folder / "bin" / "trunkline"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m ops.cli "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        **QUICK,
        **variables(folder),
        "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    restoring, look, again = blocks()
    async with engine_process({**QUICK, **variables(folder)}):
        await added(settings, 300)
        await shell("trunkline ops run backup", environment)
        await added(settings, 11)
        await shell("trunkline ops run wal --seconds 3", environment)
        refused = await shell(f"! {restoring.strip()} 2>&1", environment)
        assert "the engine runs, and with it this database: end `trunkline up` first" in refused
    home = find_home(settings)
    shutil.rmtree(home.data / "base")  # the disk
    said = await shell(restoring, environment)
    assert "password" in said
    assert (home.folder / "password").read_text() not in said
    (kept,) = home.data_home.glob("data.before-*")
    assert f"what was there before is kept in {kept}" in said
    assert (kept / "global" / "pg_control").exists()
    assert home.data.stat().st_uid == kept.stat().st_uid
    async with engine_process({**QUICK, **variables(folder)}):
        await until(lambda: database_url(settings))
        assert (await shell(look, environment)).startswith("311|2026-")
        (printed,) = [line for line in said.splitlines() if line.startswith("to look")]
        asked = printed.partition(": ")[2] + " -Atc 'SELECT count(*) FROM calls'"
        assert await shell(asked, environment) == "311\n"
        assert '"verdict": "ok"' in await shell(again, environment)


async def test_a_site_whose_state_is_lost_comes_back_with_a_new_password(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_settings(variables(folder))
    server = OwnPostgres(settings)
    await asyncio.to_thread(server.start)
    try:
        await added(settings, 7)
        await Stage(database_url(settings), settings, folder / "kept").run("backup")
        await Stage(database_url(settings), settings, folder / "kept").run("wal", seconds="3")
    finally:
        await asyncio.to_thread(server.stop)
    home = find_home(settings)
    old = (home.folder / "password").read_text()
    for lost in (home.data, home.folder):
        shutil.rmtree(lost, ignore_errors=True)
    unfinished = home.data_home / RESTORED
    unfinished.mkdir(parents=True)  # a restore before this one was killed
    with pytest.raises(ServerFailed, match="a restore of its data was cut short"):
        await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(run_restore, settings, None, embedded=True)
    assert "there were no data before" in capsys.readouterr().out
    assert (home.folder / "password").read_text() != old
    await asyncio.to_thread(server.start)
    try:
        connection = await asyncpg.connect(database_url(settings))
        assert await connection.fetchval("SELECT count(*) FROM calls") == 7
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)


def test_what_it_cannot_do_is_told(folder: Path) -> None:
    settings = load_settings(variables(folder))
    for given in ({"data": None}, {"data": folder / "restored", "embedded": True}):
        with pytest.raises(ConfigurationError, match="--data-dir DIR, or --embedded"):
            run_restore(settings, **given)
    own = load_settings({**variables(folder), "TRUNKLINE_DATABASE": "postgresql://somebody@127.0.0.1/records"})
    with pytest.raises(ConfigurationError, match="a database of your own: give --data-dir"):
        run_restore(own, None, embedded=True)
