"""One thing in the storage is damaged, and the rest of the backups goes on being good for what it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from ops.backup.catalogue import read_catalogue
from ops.backup.errors import Damaged, NotTheSame
from ops.backup.restoring import Target, restore
from ops.jobs.job import Verdict
from tests.backup_site.records import fresh_database
from tests.backup_site.stage import Stage, forget_slot, new_stage

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def stage(server: str, tmp_path: Path) -> AsyncIterator[Stage]:
    connection = await asyncpg.connect(server)
    await connection.execute("ALTER SYSTEM SET summarize_wal = on")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    yield new_stage(await fresh_database(server), tmp_path / "site")
    await forget_slot(server)


def flip(file: Path) -> bytes:
    """Damage it; what it was."""
    before = file.read_bytes()
    content = bytearray(before)
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return before


async def test_what_a_check_found_damaged_counts_no_more_and_a_good_one_is_restored(stage: Stage, ground: Path) -> None:
    first = (await stage.run("backup")).details["id"]
    second = (await stage.run("backup", full="yes")).details["id"]
    flip(stage.folder / "backups" / second / "base")
    with pytest.raises(Damaged, match=f"{second} and what lies over it no longer counts as verified"):
        await stage.run("restore-check")
    made = await stage.having(keep_days=0.0, keep_least=2).run("backup")
    assert made.details["kind"] == "full"
    assert any(f"a check found {second} damaged" in note for note in made.details["notes"])
    assert made.details["removed"] == [second]
    assert made.figures["verified_backups"] == 2
    assert made.figures["damaged_backups"] == 0
    flip(stage.folder / "backups" / made.details["id"] / "base")
    with pytest.raises(Damaged):
        await stage.run("restore-check")
    await stage.run("wal", seconds="2")
    assert (await restore(stage.site, ground / "data", target=Target())).backup == first


async def test_what_lies_over_damage_counts_no_more_until_a_check_passes(stage: Stage) -> None:
    full = (await stage.run("backup")).details["id"]
    base = stage.folder / "backups" / full / "base"
    good = flip(base)
    over = await stage.run("backup")
    assert over.details["parent"] == full  # nobody could know
    with pytest.raises(Damaged, match=rf"backups/{full}/base .* {full} and what lies over it no longer counts"):
        await stage.run("restore-check")
    catalogue = await read_catalogue(stage.site.repository, stage.site.key)
    assert [bool(each.damage) for each in catalogue.backups.values()] == [True, False]
    base.write_bytes(good)  # the storage was only flaky
    assert (await stage.run("restore-check")).verdict is Verdict.OK
    catalogue = await read_catalogue(stage.site.repository, stage.site.key)
    assert not any(each.damage for each in catalogue.backups.values())
    assert (await stage.run("backup")).details["parent"] == over.details["id"]


async def test_a_base_that_is_gone_is_damage(stage: Stage) -> None:
    (stage.folder / "backups" / (await stage.run("backup")).details["id"] / "base").unlink()
    with pytest.raises(Damaged):
        await stage.run("restore-check")
    assert (await stage.run("backup")).details["kind"] == "full"


async def test_a_parent_without_its_manifest_is_followed_by_a_full_one(stage: Stage) -> None:
    flip(stage.folder / "backups" / (await stage.run("backup")).details["id"] / "manifest")
    made = await stage.run("backup")
    assert made.verdict is Verdict.OK
    assert made.details["kind"] == "full"
    assert any("an incremental one failed" in note for note in made.details["notes"])


async def test_what_restores_to_something_else_is_marked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.run("backup")
    monkeypatch.setattr("ops.backup.checking.differences", lambda *_: ["public.calls has other content"])
    with pytest.raises(NotTheSame):
        await stage.run("restore-check")
    assert (await stage.run("backup")).details["kind"] == "full"
