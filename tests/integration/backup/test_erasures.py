"""Who was erased stays erased, wherever and from whichever backup the site is restored."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import asyncpg
import pytest

from engine.errors import ConfigurationError
from engine.records.tombstones import KEY, TOMBSTONES, ErasedCallers
from ops.backup import restoring
from ops.backup.catalogue import read_catalogue, write_record
from ops.backup.restoring import Restored, Target, restore
from ops.jobs import erasure
from ops.jobs.job import Verdict
from tests.backup_site.stage import Stage

pytestmark = pytest.mark.timeout(300)
ERASED = "+49000200"


async def erase(stage: Stage) -> None:
    done = await erasure.JOB.run(stage.context(caller=ERASED))
    assert done.verdict is Verdict.OK, done.summary


async def elsewhere(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch, *, without: bool = False
) -> tuple[Restored, int]:
    """Restored on a machine that knows nothing, to when the oldest backup was made; and his calls in it."""
    found = []

    async def look(url: str) -> str:
        connection = await asyncpg.connect(url)
        found.append(await connection.fetchval("SELECT count(*) FROM calls WHERE caller = $1", ERASED))
        await connection.close()
        return ""

    monkeypatch.setattr(restoring, "after_restore", [look])
    oldest = next(iter((await read_catalogue(stage.site.repository, stage.site.key)).backups.values()))
    site = on_another_machine(stage, ground).site
    target = Target(lsn=oldest.mark_lsn)
    done = await restore(site, ground / "data", identity=oldest.id, target=target, without_erasures=without)
    return done, found[0]


def on_another_machine(stage: Stage, ground: Path) -> Stage:
    paths = dataclasses.replace(stage.settings.paths, state_dir=ground / "state")
    return dataclasses.replace(stage, settings=dataclasses.replace(stage.settings, paths=paths))


async def test_he_was_erased_after_the_backup_and_the_log_carrier_noted_it(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run("backup")
    await erase(stage)
    await stage.run("wal", seconds="3")
    done, his = await elsewhere(stage, ground, monkeypatch)
    assert his == 0
    assert "1 erased callers were in it" in done.told[0]
    assert "1 erasures were brought to" in done.told[-1]
    # What is recorded late on the new machine is recognised too.
    assert ErasedCallers(ground / "state").covers(ERASED, 0)
    assert (ground / "state" / KEY).stat().st_mode & 0o077 == 0
    kept = [path for path in stage.folder.rglob("*") if path.is_file() and "erasures" in path.parts[-3:]]
    key = (stage.settings.paths.state_dir / KEY).read_text().strip()
    assert kept
    for path in stage.folder.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes()


async def test_a_later_backup_knows_it_too(stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.run("backup")
    await erase(stage)
    await stage.run("backup", full="yes")
    shutil.rmtree(stage.folder / "erasures")
    assert (await elsewhere(stage, ground, monkeypatch))[1] == 0


async def test_without_encryption_the_key_is_not_in_it_and_is_asked_for(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = stage.having(key_file=None)
    await clear.run("backup")
    await erase(clear)
    made = await clear.run("backup", full="yes")
    assert any("the key of the erasures is not in it" in note for note in made.details["notes"])
    with pytest.raises(ConfigurationError, match=r"the key .* is not here: bring it .* --without-erasures"):
        await elsewhere(clear, ground, monkeypatch)
    assert not (ground / "data").exists()
    assert (await elsewhere(clear, ground, monkeypatch, without=True))[1] == 1
    shutil.rmtree(ground / "data")
    (ground / "state").mkdir()
    shutil.copy(clear.settings.paths.state_dir / KEY, ground / "state" / KEY)
    assert (await elsewhere(clear, ground, monkeypatch))[1] == 0


async def test_where_there_is_no_list_it_refuses(stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of the time before there were lists in them."""
    await stage.run("backup")
    newest = (await read_catalogue(stage.site.repository, stage.site.key)).newest
    assert newest is not None
    parts = {name: part for name, part in newest.parts.items() if name != "erasures"}
    await write_record(stage.site.repository, dataclasses.replace(newest, parts=parts), stage.site.key)
    with pytest.raises(ConfigurationError, match="nobody knows who was erased at this site"):
        await elsewhere(stage, ground, monkeypatch)
    done, his = await elsewhere(stage, ground, monkeypatch, without=True)
    assert his == 1
    assert "as you said" in done.told[0]
    assert not (ground / "state" / TOMBSTONES).exists()
