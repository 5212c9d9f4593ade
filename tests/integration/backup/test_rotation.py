"""The owner's key is replaced: what was made before and after it is restored, and a key that is gone is named."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import asyncpg
import pytest

from engine.config.backup_keys import BackupKeySettings
from ops.backup import restoring
from ops.backup.bringing import What, bring
from ops.backup.catalogue import Backup, read_catalogue
from ops.backup.command import list_backups
from ops.backup.errors import KeyMismatch
from ops.backup.fetching import choose
from ops.backup.restoring import Target, restore
from ops.backup.rotation import renew, sealed_with, survey
from ops.backup.sealing import Key
from ops.backup.site import wal_prefix
from ops.backup.streams import gathered, of_bytes
from ops.jobs import erasure
from ops.jobs.job import Verdict
from tests.backup_site.records import add_calls
from tests.backup_site.stage import OLDER, Stage, summarize_log, takes_incremental_ones

pytestmark = pytest.mark.timeout(300)


def rotated(stage: Stage, *, old: bool = True) -> Stage:
    """With a new key; the one before it among the earlier ones, unless it was lost."""
    before = stage.settings.backup.key_file
    assert before is not None
    new = before.with_name("new-key")
    if not new.exists():
        new.write_text(os.urandom(32).hex())
        new.chmod(0o600)
    changed = stage.having(key_file=new)
    keys = BackupKeySettings(before if old else None)
    return dataclasses.replace(changed, settings=dataclasses.replace(changed.settings, backup_keys=keys))


async def more_calls(stage: Stage, number: int) -> None:
    connection = await asyncpg.connect(stage.url)
    await add_calls(connection, number)
    await connection.execute("SELECT pg_switch_wal()")
    await connection.close()


async def kept(stage: Stage) -> list[Backup]:
    return list((await read_catalogue(stage.site.repository, stage.site.keys)).backups.values())


async def restored_calls(
    stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch, *, identity: str = "", target: Target | None = None
) -> int:
    found: list[int] = []

    async def look(url: str) -> str:
        connection = await asyncpg.connect(url)
        found.append(await connection.fetchval("SELECT count(*) FROM calls"))
        await connection.close()
        return ""

    monkeypatch.setattr(restoring, "after_restore", [look])
    await restore(stage.site, folder, identity=identity, target=target or Target())
    return found[0]


async def test_backups_and_log_of_before_and_after_restore(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await summarize_log(stage.url)
    able = await takes_incremental_ones(stage)
    await stage.run("backup")
    await more_calls(stage, 7)
    await stage.run("wal", seconds="3")
    (first,) = await kept(stage)
    history = f"{wal_prefix(first.system_id)}00000009.history"  # of a timeline that leads nowhere
    await stage.site.keep(history, of_bytes(b""))

    new = rotated(stage)
    await more_calls(new, 5)
    await new.run("wal", seconds="3")
    # One backup, its log closed with two keys.
    assert await restored_calls(new, ground / "across", monkeypatch) == 312
    moment = time.time()

    made = await new.run("backup")
    assert made.details["kind"] == "full"
    assert made.details["notes"][0] == ("full: the key was replaced" if able else OLDER)
    await more_calls(new, 3)
    assert (await new.run("backup")).details["parent"] == (made.details["id"] if able else "")
    _, second, third = await kept(new)
    assert [each.key_id for each in (first, second, third)] == [stage.site.key.id, new.site.key.id, new.site.key.id]
    assert await sealed_with(new.site, history) == new.site.key.id

    assert await restored_calls(new, ground / "last", monkeypatch) == 315
    target = Target(time=moment)
    assert await restored_calls(new, ground / "then", monkeypatch, identity=first.id, target=target) == 312
    for backup in (first, second, third):
        checked = await new.run("restore-check", backup=backup.id)
        assert checked.verdict is Verdict.OK, checked.summary


async def test_a_key_that_is_gone_is_named_and_closes_nothing_else(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run("backup")
    await stage.run("dump")
    assert (await erasure.JOB.run(stage.context(caller="+49000200"))).verdict is Verdict.OK
    await stage.run("wal", seconds="2")
    old = stage.site.key.id
    lost = rotated(stage, old=False)
    with pytest.raises(KeyMismatch, match=f"encrypted with the key {old}, and the key given is {lost.site.key.id}"):
        await lost.run("backup")
    assert [each.key_id for each in await kept(stage)] == [old]

    found = await rotated(stage).run("backup")  # it was found again, and lost after the first backup with the new one
    assert found.verdict is Verdict.OK, found.summary
    first, second = await kept(rotated(stage))
    assert await restored_calls(lost, ground / "new", monkeypatch) == 300
    with pytest.raises(KeyMismatch, match=f"backups/{first.id}/record is encrypted with the key {old}"):
        await restore(lost.site, ground / "old", identity=first.id, target=Target())
    catalogue = await read_catalogue(lost.site.repository, lost.site.keys)
    with pytest.raises(KeyMismatch, match=old):
        choose(catalogue, identity="", before=first.mark_at, before_lsn=None)
    assert not (ground / "old").exists()

    made = await lost.having(keep_days=0, keep_least=1).run("backup", full="yes")
    assert made.verdict is Verdict.OK
    assert any(old in note for note in made.details["notes"])
    assert made.details["removed"] == [], "nothing goes while one cannot be read"
    checked = await lost.run("restore-check")
    assert checked.verdict is Verdict.FAILED
    assert f"yet backups/{first.id}/record is encrypted with the key {old}" in checked.summary
    with pytest.raises(KeyMismatch, match=old):
        await lost.run("dump")
    assert set((await survey(lost.site)).keys) == {old, lost.site.key.id}
    assert second.key_id == lost.site.key.id


async def test_the_earlier_key_alone_still_restores_what_it_closed(
    stage: Stage, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await erasure.JOB.run(stage.context(caller="+49000206"))).verdict is Verdict.OK
    await stage.run("backup")
    await more_calls(stage, 4)  # to the end of a segment: what follows is carried with the new key
    await stage.run("wal", seconds="3")
    (first,) = await kept(stage)
    left = wal_prefix(first.system_id) + "00000001.history"  # closed anew, and of no timeline that leads on
    await stage.site.keep(left, of_bytes(b""))
    new = rotated(stage)
    await new.run("backup")
    assert (await new.run("restore-check", backup=first.id)).verdict is Verdict.OK
    assert (await survey(stage.site)).keys[new.site.key.id]["notes"] == 2
    assert await sealed_with(new.site, left) == new.site.key.id

    (there,) = await kept(stage)
    assert there.verified_at is not None, "noted with the earlier key"
    assert there.restored_at is None, "noted with the new one"
    monkeypatch.setattr(restoring, "after_restore", [])
    target = Target(lsn=first.mark_lsn)
    done = await restore(stage.site, ground / "data", identity=first.id, target=target)
    (told,) = [each for each in done.told if "erasures/" in each]
    assert f"is encrypted with the key {new.site.key.id}" in told
    assert "who was erased after the newest list that opens may be in the restored database again" in told


def test_what_is_kept_is_listed_without_the_earlier_key(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    import asyncio  # noqa: PLC0415 - the command has a loop of its own

    async def made() -> tuple[str, str, str]:
        await stage.run("backup")
        dumped = await stage.run("dump")
        later = await rotated(stage).run("backup")
        return (await kept(stage))[0].id, dumped.details["id"], later.details["id"]

    first, dumped, later = asyncio.run(made())
    list_backups(rotated(stage, old=False).settings)
    told = capsys.readouterr()
    assert later in told.out
    assert first not in told.out
    for name in (f"backups/{first}", f"dumps/{dumped}"):
        assert f"KEY MISSING: {name}/record is encrypted with the key {stage.site.key.id}" in told.err


async def test_no_older_one_is_taken_for_the_newest_where_that_one_s_key_is_missing(
    stage: Stage, tmp_path: Path
) -> None:
    new = rotated(stage)
    older, newer = [
        {"dump": (await each.run("dump")).details["id"], "globals": (await each.run("backup")).details["id"]}
        for each in (stage, new)
    ]
    (cluster,) = {each.system_id for each in await kept(new)}
    whats: tuple[What, ...] = ("dump", "globals")
    for what in whats:
        for named in ("", cluster):
            told = f"{newer[what]}/record is encrypted .* `trunkline ops fetch {what} {older[what]}` takes that one"
            with pytest.raises(KeyMismatch, match=told):
                await bring(stage.site, what, tmp_path / what, cluster=named)
        brought = await bring(stage.site, what, tmp_path / what, identity=older[what])
        assert brought.identity == older[what]
        # An earlier one may be closed: it is not the one that is asked for.
        lost = rotated(stage, old=False)
        assert (await bring(lost.site, what, tmp_path / f"new-{what}")).identity == newer[what]


async def test_a_site_that_begins_to_encrypt_reads_what_it_had(stage: Stage, tmp_path: Path) -> None:
    plain = stage.having(key_file=None)
    await plain.run("backup")
    with pytest.raises(KeyMismatch, match="write the line `none`"):
        await stage.run("backup")
    said = tmp_path / "old"
    said.write_text("none\n")
    said.chmod(0o600)
    settings = dataclasses.replace(stage.settings, backup_keys=BackupKeySettings(said))
    both = dataclasses.replace(stage, settings=settings)
    await both.run("backup")
    assert [each.encrypted for each in await kept(both)] == [False, True]
    oldest = (await kept(both))[0].id
    assert (await both.run("restore-check", backup=oldest)).verdict is Verdict.OK


async def test_the_list_of_erasures_is_closed_anew(stage: Stage) -> None:
    await stage.run("backup")
    assert (await erasure.JOB.run(stage.context(caller="+49000200"))).verdict is Verdict.OK
    await stage.run("wal", seconds="2")
    new = rotated(stage)
    await new.run("backup")
    lists = [each.name for each in await new.site.repository.listing("erasures/")]
    assert lists
    for name in lists:
        assert await sealed_with(new.site, name) == new.site.key.id
        assert await gathered(new.site.fetch(name))


async def test_a_site_that_stops_encrypting_lays_no_key_of_the_erasures_open(stage: Stage) -> None:
    assert (await erasure.JOB.run(stage.context(caller="+49000205"))).verdict is Verdict.OK
    await stage.run("backup")
    secret = (stage.settings.paths.state_dir / "erasures.key").read_text().strip()
    (name,) = [each.name for each in await stage.site.repository.listing("erasures/")]
    assert secret.encode() in await gathered(stage.site.fetch(name)), "closed by the key, it may be in it"
    keys = BackupKeySettings(stage.settings.backup.key_file)
    settings = dataclasses.replace(stage.having(key_file=None).settings, backup_keys=keys)
    plain = dataclasses.replace(stage, settings=settings)
    assert (await plain.run("backup")).verdict is Verdict.OK
    assert await sealed_with(plain.site, name) == stage.site.key.id
    for each in await plain.site.repository.listing(""):
        if each.name.startswith("erasures/") or each.name.endswith("/erasures"):
            open_to_all = await sealed_with(plain.site, each.name) == plain.site.key.id
            assert not open_to_all or secret.encode() not in await gathered(plain.site.fetch(each.name)), each.name
    assert any(not each.encrypted for each in await kept(plain))


def test_an_id_shows_nothing_of_its_key() -> None:
    key = Key(bytes(range(32)))
    assert key.id not in key._bytes.hex()


async def test_what_is_damaged_holds_up_no_other_that_is_closed_anew(stage: Stage) -> None:
    broken, whole = (f"{wal_prefix('4271')}0000000{timeline}.history" for timeline in (8, 9))
    for name in (broken, whole):
        await stage.site.keep(name, of_bytes(b"1\t0/3000000\tno recovery target specified\n"))
    new = rotated(stage)
    file = stage.folder / broken
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    (told,) = await renew(new.site, "4271")
    assert broken in told
    assert await sealed_with(new.site, whole) == new.site.key.id
