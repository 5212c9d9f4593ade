"""A backup that was found damaged counts no more, nor does what lies over it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from ops.backup.catalogue import Backup, Catalogue, note, read_backup, read_catalogue, write_record
from ops.backup.database import Server
from ops.backup.errors import BackupError, Damaged, NotTheSame, WalMissing
from ops.backup.fetching import choose
from ops.backup.keys import Keyring
from ops.backup.retention import plan_backups
from ops.backup.rotation import survey
from ops.backup.sealing import Key
from ops.backup.soundness import acquit, fault_of, sound, withdraw
from ops.backup.taking import parent_of
from tests.backup_site.stage import Stage, new_stage
from tests.unit.test_backup_retention import backup

FULL = backup(1, day=1)
OVER = backup(2, day=2, parent=FULL.id)
LAST = backup(3, day=3, parent=OVER.id)
SERVER = Server("18.1", "7", 16 << 20, summarizes_wal=True, database="records", superuser="postgres")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return new_stage("postgresql://x/y", tmp_path / "site")


def marked(one: Backup) -> Backup:
    return dataclasses.replace(one, damage="its base is damaged")


def test_a_chain_is_as_sound_as_its_worst_element() -> None:
    assert sound([FULL, OVER, LAST]) == [FULL, OVER, LAST]
    assert sound([FULL, marked(OVER), LAST]) == [FULL]
    assert fault_of(LAST, [FULL, marked(OVER), LAST]) == f"it lies over {OVER.id}: its base is damaged"
    assert "not kept or cannot be read" in fault_of(OVER, [OVER])


def test_what_is_damaged_is_none_of_the_least_number() -> None:
    old, newer = backup(1, day=1), backup(3, day=3)
    plan = plan_backups([old, marked(backup(2, day=2)), newer], now=1e9, keep_days=0, keep_least=2)
    assert plan.backups == ("0002",)
    assert plan_backups([old, marked(newer)], now=1e9, keep_days=0, keep_least=2).backups == ()


def of_today(stage: Stage, *backups: Backup) -> Catalogue:
    now = time.time()
    there = [dataclasses.replace(each, started_at=now, key_id=stage.site.key.id) for each in backups]
    return Catalogue({each.id: each for each in there})


def test_after_damage_the_next_is_a_full_one(stage: Stage) -> None:
    parent, why = parent_of(of_today(stage, FULL, OVER), stage.site, SERVER, full=False)
    assert parent is not None
    assert parent.id == OVER.id, why
    for history in ([marked(FULL), OVER], [FULL, marked(OVER)], [OVER]):
        parent, why = parent_of(of_today(stage, *history), stage.site, SERVER, full=False)
        assert parent is None
        assert f"found {OVER.id} damaged, or what it lies over" in why
    mended = of_today(stage, marked(FULL), OVER, backup(4, day=4))
    assert (parent := parent_of(mended, stage.site, SERVER, full=False)[0]) is not None
    assert parent.id == "0004"


def test_a_restore_begins_with_none_that_is_damaged() -> None:
    old, newer = backup(4, day=4), marked(backup(5, day=5))
    there = Catalogue({each.id: each for each in (old, newer)})
    assert choose(there, identity="", before=None, before_lsn=None) == old
    assert choose(there, identity=newer.id, before=None, before_lsn=None) == newer
    with pytest.raises(BackupError, match="--backup ID tries one all the same: 0005: its base is damaged"):
        choose(Catalogue({newer.id: newer}), identity="", before=None, before_lsn=None)


@pytest.mark.parametrize(
    ("error", "where", "restored", "found"),
    [
        (Damaged("its base"), "0001", False, ["0001"]),
        (NotTheSame("rows"), "", False, ["0001", "0002"]),
        (NotTheSame("rows"), "", True, ["0002"]),  # the full one was restored by itself
        (WalMissing("a segment"), "", False, ["0002"]),
    ],
)
async def test_what_is_marked_and_what_takes_it_back(
    stage: Stage, error: BackupError, where: str, restored: bool, found: list[str]
) -> None:
    repository, key = stage.site.repository, stage.site.key
    for each in (FULL, OVER):
        await write_record(repository, each, key)
    links = [dataclasses.replace(FULL, restored_at=1.0 if restored else None), OVER]
    error.backup = where
    assert "no longer counts as verified" in await withdraw(stage.site, links, error)
    there = [await read_backup(repository, each.id, key) for each in (FULL, OVER)]
    assert [each.id for each in there if each.damage] == found
    assert {each.damage for each in there if each.damage} == {str(error)}
    await acquit(stage.site, there)
    assert not any([(await read_backup(repository, each.id, key)).damage for each in (FULL, OVER)])


async def test_a_note_that_is_damaged_hides_no_backup(stage: Stage) -> None:
    await write_record(stage.site.repository, FULL, stage.site.key)
    for name in ("verified", "damaged"):
        (stage.folder / "backups" / FULL.id / name).write_text("{")
    there = await read_backup(stage.site.repository, FULL.id, stage.site.key)
    assert there.verified_at is None
    assert there.damage == "what a check noted of it cannot be read"


async def test_a_note_of_another_key_closes_no_backup(stage: Stage) -> None:
    repository = stage.site.repository
    await write_record(repository, FULL, stage.site.key)
    newer = Key(bytes(range(32)))
    for what in ("verified", "restored", "damaged"):
        await note(repository, FULL, what, 1.0, newer, why="its base is damaged" if what == "damaged" else "")
    (there,) = (await read_catalogue(repository, stage.site.keys)).backups.values()
    assert (there.verified_at, there.restored_at) == (None, None)
    assert f"cannot be read: backups/{FULL.id}/damaged is encrypted with the key {newer.id}" in there.damage
    (there,) = (await read_catalogue(repository, Keyring(stage.site.key, (newer,)))).backups.values()
    assert (there.verified_at, there.restored_at, there.damage) == (1.0, 1.0, "its base is damaged")
    counted = (await survey(stage.site)).keys
    assert counted == {stage.site.key.id: {"backups": 1}, newer.id: {"notes": 3}}
