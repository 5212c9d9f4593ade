"""What runs that were killed leave behind is found and removed by the next, and nothing that another uses."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ops
from engine.errors import ConfigurationError
from ops.backup import restoring
from ops.backup.errors import RepositoryGone
from ops.backup.folder import ABANDONED_SECONDS, FolderRepository
from ops.backup.leftovers import SERVERS, abandoned, marked_as_ours, sweep
from ops.backup.restoring import Target, restore
from ops.jobs.job import Verdict
from tests.backup_site.records import fresh_database
from tests.backup_site.stage import Stage, forget_slot, new_stage
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
ROOT = Path(ops.__file__).parents[1]


@pytest.fixture
async def stage(server: str, tmp_path: Path, ground: Path) -> AsyncIterator[Stage]:
    yield new_stage(await fresh_database(server), tmp_path / "site").having(work_dir=ground / "work")
    await forget_slot(server)


@contextlib.asynccontextmanager
async def to_be_killed(stage: Stage, what: str, argument: str) -> AsyncIterator[asyncio.subprocess.Process]:
    backup = stage.settings.backup
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TRUNKLINE_BACKUP_TO": backup.to,
        "TRUNKLINE_BACKUP_KEY_FILE": str(backup.key_file),
        "TRUNKLINE_BACKUP_WORK_DIR": str(backup.work_dir),
        "TRUNKLINE_STATE_DIR": str(stage.settings.paths.state_dir),
        "TRUNKLINE_POSTGRES_PROGRAMS": str(stage.settings.postgres_programs.folder or ""),
    }
    command = [sys.executable, "-m", "tests.backup_site.killed_run", what, argument]
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def programs_in(folder: Path, name: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(name.encode()) and any(os.fsencode(folder) in word for word in words):
                found.append(int(entry.name))
    return found


def sockets_of(process: int) -> Path:
    words = Path(f"/proc/{process}/cmdline").read_text().split("\0")
    return Path(next(word for word in words if word.startswith("config_file=")).partition("=")[2]).parent


def there(path: Path) -> bool:
    return path.exists()


def folders(stage: Stage) -> list[Path]:
    assert stage.settings.backup.work_dir is not None
    return sorted(stage.settings.backup.work_dir.glob("trunkline-*"))


async def test_a_carrier_that_was_killed(stage: Stage, ground: Path) -> None:
    async with to_be_killed(stage, "carry", stage.url) as process:
        await until(lambda: programs_in(ground, "pg_receivewal"))
        process.kill()
        await process.wait()
    assert programs_in(ground, "pg_receivewal")  # it runs on, and would fill the disk
    (left,) = folders(stage)
    async with stage.site.workshop("check") as live:
        assert not abandoned(live)
        assert (await stage.run("wal", seconds="2")).verdict is Verdict.OK
        assert live.exists()
        assert not left.exists()
        assert not programs_in(ground, "pg_receivewal")
    assert folders(stage) == []


async def test_a_throw_away_server_that_was_orphaned(stage: Stage, ground: Path) -> None:
    version = await stage.sql("SHOW server_version")
    async with to_be_killed(stage, "serve", version) as process:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"up\n"
        (server,) = programs_in(ground, "postgres")
        sockets = sockets_of(server)
        assert sockets.parent == SERVERS
        sweep(stage.settings)
        assert programs_in(ground, "postgres") == [server]  # its run lives
        process.kill()
        await process.wait()
    told = sweep(stage.settings)
    assert any("ended postgres" in line for line in told)
    assert not programs_in(ground, "postgres")
    assert not there(sockets)
    assert folders(stage) == []


def test_what_is_no_run_s_stays(stage: Stage) -> None:
    assert stage.settings.backup.work_dir is not None
    other = stage.settings.backup.work_dir / "trunkline-my-notes"
    other.mkdir(parents=True)
    elsewhere = stage.settings.backup.work_dir / "elsewhere"
    elsewhere.mkdir()
    with marked_as_ours(elsewhere):
        pass
    (stage.settings.backup.work_dir / "trunkline-a-link").symlink_to(elsewhere)
    assert sweep(stage.settings) == []
    assert other.exists()
    assert elsewhere.exists()


async def test_half_written_files_go_when_nobody_writes_them(tmp_path: Path) -> None:
    folder = tmp_path / "backups" / "x"
    folder.mkdir(parents=True)
    old, young, busy = (folder / f".writing-{name}" for name in ("old", "young", "busy"))
    for path in (old, young, busy):
        path.write_bytes(b"half")
    past = time.time() - ABANDONED_SECONDS - 1
    os.utime(old, (past, past))
    os.utime(busy, (past, past))
    with busy.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert await FolderRepository(tmp_path).sweep(time.time()) == ["backups/x/.writing-old"]
    assert sorted(path.name for path in folder.iterdir()) == [".writing-busy", ".writing-young"]


async def test_a_file_that_is_being_written_is_locked(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    seen = []

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * (2 << 20)
        seen.extend(await repository.sweep(time.time() + 10 * ABANDONED_SECONDS))
        yield b"y"

    await repository.put("a/b", slowly())
    assert seen == []
    assert (tmp_path / "a" / "b").stat().st_size == (2 << 20) + 1


def _not_yet(_: Path) -> bool:
    return False


def make(folder: Path) -> None:
    folder.mkdir()


async def test_a_restore_goes_on_where_one_was_killed(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run("backup")
    log, layers = ground / "data.trunkline-log", ground / "data.trunkline-layers"
    for folder in (log, layers):
        folder.mkdir()
        (folder / "copy").write_text("plain")
    with marked_as_ours(log):
        monkeypatch.setattr(restoring, "_occupied", _not_yet)  # both looked before either had begun
        make(ground / "data")
        with pytest.raises(ConfigurationError, match="another restore is at work"):
            await restore(stage.site, ground / "data", target=Target())
        assert (log / "copy").exists()
        assert there(ground / "data")
    monkeypatch.undo()
    await restore(stage.site, ground / "data", target=Target())
    assert not log.exists()
    assert not layers.exists()


async def test_a_storage_that_cannot_be_tidied_stops_no_job(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(_: FolderRepository, now: float) -> list[str]:
        raise RepositoryGone(f"it does not list its unfinished uploads at {now:.0f}")

    monkeypatch.setattr(FolderRepository, "sweep", gone)
    jobs: dict[str, dict[str, str]] = {"backup": {}, "wal": {"seconds": "2"}, "restore-check": {}, "dump": {}}
    for job, arguments in jobs.items():
        caplog.clear()
        done = await stage.run(job, **arguments)
        assert done.verdict is Verdict.OK, done.summary
        told = [each.getMessage() for each in caplog.records if each.name == "ops.backup.site"]
        assert len(told) == 1, job
        assert "is not looked for this time: it does not list its unfinished uploads" in told[0]
