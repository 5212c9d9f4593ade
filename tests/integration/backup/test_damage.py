"""One thing in the storage is damaged, and the rest of the backups goes on being good for what it is for."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from engine.errors import ConfigurationError
from engine.records.ops_measures import measures_file
from ops.backup.bringing import bring
from ops.backup.catalogue import Backup, read_catalogue, write_record
from ops.backup.command import list_backups
from ops.backup.contents import Contents, differences, read
from ops.backup.database import queries
from ops.backup.erasures import Listed
from ops.backup.errors import BackupError, Damaged, NotTheSame, ToolFailed
from ops.backup.log_status import read_status
from ops.backup.programs import Programs
from ops.backup.restoring import Target, restore
from ops.backup.streams import gathered
from ops.jobs import erasure
from ops.jobs.job import Report, Verdict
from ops.jobs.measures import note_end
from tests.backup_site.records import fresh_database
from tests.backup_site.stage import OLDER, Stage, forget_slot, new_stage, summarize_log, takes_incremental_ones

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def stage(server: str, tmp_path: Path) -> AsyncIterator[Stage]:
    await summarize_log(server)
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
    with pytest.raises(Damaged, match=f"{second} and what lies over it no longer counts as verified") as found:
        await stage.run("restore-check")
    told = found.value.figures
    assert (told["backups"], told["verified_backups"], told["damaged_backups"]) == (2, 1, 1)
    made = await stage.having(keep_days=0.0, keep_least=2).run("backup")
    assert made.details["kind"] == "full"
    why = f"a check found {second} damaged" if await takes_incremental_ones(stage) else OLDER
    assert any(why in note for note in made.details["notes"])
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
    if not await takes_incremental_ones(stage):
        assert not over.details["parent"]
        assert (await stage.run("restore-check")).verdict is Verdict.OK  # it lies over nothing
        return
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


async def test_before_the_first_backup_a_check_is_skipped_and_where_it_is_gone_it_fails(stage: Stage) -> None:
    for _ in range(2):
        checked = await stage.run("restore-check")
        assert checked.verdict is Verdict.SKIPPED
        assert "there is no backup yet" in checked.summary
    with pytest.raises(BackupError, match="there is no backup 2026"):
        await stage.run("restore-check", backup="2026")
    note_end(measures_file(stage.settings.paths.state_dir), "backup", Report(Verdict.OK, ""), 1.0, 2.0)
    with pytest.raises(BackupError, match="there is no backup yet"):
        await stage.run("restore-check")


@pytest.mark.parametrize("part", ["globals", "erasures", "manifest"])
async def test_what_no_restore_reads_is_read_by_a_check(stage: Stage, part: str) -> None:
    made = (await stage.run("backup")).details["id"]
    file = stage.folder / "backups" / made / part
    good = flip(file)
    told = rf"backups/{made}/{part} .* {made} and what lies over it no longer counts as verified"
    with pytest.raises(Damaged, match=told):
        await stage.run("restore-check")
    file.unlink()
    with pytest.raises(Damaged, match=told):
        await stage.run("restore-check")
    file.write_bytes(good)
    assert (await stage.run("restore-check")).verdict is Verdict.OK
    assert not any(each.damage for each in await kept(stage))


async def test_a_parent_without_its_manifest_is_followed_by_a_full_one(stage: Stage) -> None:
    flip(stage.folder / "backups" / (await stage.run("backup")).details["id"] / "manifest")
    made = await stage.run("backup")
    assert made.verdict is Verdict.OK
    assert made.details["kind"] == "full"
    why = "an incremental one failed" if await takes_incremental_ones(stage) else OLDER
    assert any(why in note for note in made.details["notes"])


async def test_what_restores_to_something_else_is_marked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.run("backup")
    monkeypatch.setattr("ops.backup.checking.differences", lambda *_: ["public.calls has other content"])
    with pytest.raises(NotTheSame):
        await stage.run("restore-check")
    assert (await stage.run("backup")).details["kind"] == "full"


# The small objects: status, lists of erasures, dumps.


def current_list(stage: Stage) -> Path:
    return next(stage.folder.glob("erasures/*/*"))


async def erase(stage: Stage, caller: str) -> None:
    assert (await erasure.JOB.run(stage.context(caller=caller))).verdict is Verdict.OK


async def tombstones(stage: Stage) -> int:
    name = current_list(stage).relative_to(stage.folder).as_posix()
    return len(Listed.of(await gathered(stage.site.fetch(name)), name).tombstones)


async def test_a_status_that_is_damaged_stops_nothing_and_is_told_anew(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    await stage.run("backup")
    status = next(stage.folder.glob("status/*"))
    for again in ("backup", "restore-check", "list", "wal"):
        status.write_text("{")
        if again == "list":
            await asyncio.to_thread(list_backups, stage.settings)
            assert "last known whole never" in capsys.readouterr().out
        elif again == "restore-check":
            checked = await stage.run(again)
            assert checked.verdict is Verdict.FAILED
            assert "restores in" in checked.summary
            assert "nothing tells how far the log is kept" in checked.summary
        else:
            assert (await stage.run(again, **({"seconds": "2"} if again == "wal" else {}))).verdict is Verdict.OK
    assert await read_status(stage.site, status.name) is not None


@pytest.mark.parametrize("field", ["key", "format"])
async def test_a_status_of_another_key_or_format_stops_nothing_once_there_is_a_backup(stage: Stage, field: str) -> None:
    await stage.run("wal", seconds="2")
    status = next(stage.folder.glob("status/*"))
    other = {**json.loads(status.read_text()), field: {"key": "0" * 16, "format": 9}[field]}
    status.write_text(json.dumps(other))
    with pytest.raises(
        BackupError, match=r"status/\d+ (is encrypted with the key 0+|was written by a newer Trunkline)"
    ):
        await stage.run("wal", seconds="2")  # the key may be the wrong one, this Trunkline too old
    status.unlink()
    await stage.run("backup")
    for job, arguments in (("restore-check", {}), ("backup", {}), ("wal", {"seconds": "2"})):
        status.write_text(json.dumps(other))
        ran = await stage.run(job, **arguments)
        assert ran.verdict is Verdict.OK or "nothing tells how far the log is kept" in ran.summary, ran.summary
    assert await read_status(stage.site, status.name) is not None


async def test_a_list_of_erasures_that_is_damaged_is_laid_aside_and_made_anew(stage: Stage) -> None:
    await erase(stage, "+49000201")
    await stage.run("backup")
    flip(current_list(stage))
    await erase(stage, "+49000202")
    carried = await stage.run("wal", seconds="3")
    assert carried.verdict is Verdict.OK
    assert carried.figures["reconnects"] == 0
    assert await tombstones(stage) == 2
    assert len(list(stage.folder.glob("damaged/erasures/*/*"))) == 1
    flip(current_list(stage))
    assert (await stage.run("backup")).verdict is Verdict.OK
    assert await tombstones(stage) == 2


async def test_the_log_goes_on_where_the_list_of_erasures_cannot_be_kept(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await erase(stage, "+49000203")
    (stage.settings.paths.state_dir / "erasures.key").write_text("no key")
    carried = await stage.run("wal", seconds="3")
    assert carried.verdict is Verdict.OK
    assert carried.figures["rounds"] > 1
    assert len([each for each in caplog.records if "the list of erasures is not kept" in each.message]) == 1


async def test_a_list_of_a_newer_backup_forbids_no_restore_of_an_older(stage: Stage, ground: Path) -> None:
    first = (await stage.run("backup")).details["id"]
    await erase(stage, "+49000204")
    second = (await stage.run("backup", full="yes")).details["id"]
    paths = dataclasses.replace(stage.settings.paths, state_dir=ground / "state")
    elsewhere = dataclasses.replace(stage, settings=dataclasses.replace(stage.settings, paths=paths)).site
    (whole,) = [each for each in (await kept(stage)) if each.id == first]
    target = Target(lsn=whole.mark_lsn)
    newer = flip(stage.folder / "backups" / second / "erasures")
    done = await restore(elsewhere, ground / "one", identity=first, target=target)
    assert any(f"{second}/erasures" in each and "a later list stands in" in each for each in done.told)
    assert any("1 erased callers were in it" in each for each in done.told)
    (stage.folder / "backups" / second / "erasures").write_bytes(newer)
    flip(current_list(stage))
    done = await restore(elsewhere, ground / "two", identity=first, target=target)
    assert any("erased after the newest list that opens may be in" in each for each in done.told)
    assert any("1 erased callers were in it" in each for each in done.told)
    for each in (first, second):
        flip(stage.folder / "backups" / each / "erasures")
    (ground / "state" / "erasures.jsonl").unlink()
    with pytest.raises(ConfigurationError, match=r"nobody knows who was erased .*: no list of erasures opens"):
        await restore(elsewhere, ground / "three", identity=first, target=target)


async def kept(stage: Stage) -> list[Backup]:
    return list((await read_catalogue(stage.site.repository, stage.site.key)).backups.values())


async def test_a_dump_with_a_damaged_record_hides_no_other(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_before = []
    for _ in range(3):
        made_before.append((await stage.run("dump")).details["id"])
        await asyncio.sleep(1.1)  # an id is of its second
    first, second, third = made_before
    flip(stage.folder / "dumps" / third / "record")
    await asyncio.to_thread(list_backups, stage.settings)
    said = capsys.readouterr()
    assert f"DAMAGED: dumps/{third}/record" in said.err
    assert f"dump {second} of cluster" in said.out
    brought = await bring(stage.site, "dump", tmp_path / "dump")
    assert brought.identity == second
    assert f"not looked at: dumps/{third}/record" in brought.told
    with pytest.raises(Damaged, match=f"{third}/record is damaged"):
        await bring(stage.site, "dump", tmp_path / "other", identity=third)
    made = await stage.having(keep_days=0.0).run("dump")
    assert made.verdict is Verdict.OK
    assert made.details["removed"] == [first]
    assert "1 older ones stay whose record is damaged" in made.summary


# What a restored server is looked through for.


async def test_an_index_that_lacks_rows_is_found(stage: Stage) -> None:
    await stage.sql("CREATE TABLE kept (id int)")
    await stage.sql("CREATE INDEX kept_id ON kept (id)")
    await stage.sql("UPDATE pg_index SET indisready = false WHERE indexrelid = 'kept_id'::regclass")
    await stage.sql("INSERT INTO kept VALUES (1)")
    await stage.sql("UPDATE pg_index SET indisready = true WHERE indexrelid = 'kept_id'::regclass")
    await stage.run("backup")
    with pytest.raises(Damaged, match=r"pg_amcheck finds damage .* lacks matching index tuple"):
        await stage.run("restore-check")


async def test_what_could_not_be_looked_through_is_told_apart_from_damage(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.backup import checking  # noqa: PLC0415

    await stage.run("backup")
    whole = queries()
    monkeypatch.setattr(checking, "queries", lambda: {**whole, "has_amcheck": "SELECT 0"})
    checked = await stage.run("restore-check")
    assert checked.verdict is Verdict.OK
    assert "NOT looked through by pg_amcheck: the server has no extension amcheck" in checked.summary
    monkeypatch.undo()
    run = Programs.run

    async def fails(programs: Programs, program: str, *arguments: str, **more: float) -> str:
        wrong = ["--no-such-option"] if program == "pg_amcheck" else []
        return await run(programs, program, *arguments, *wrong, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Programs, "run", fails)
    with pytest.raises(ToolFailed, match="could not be looked through, which says nothing of it"):
        await stage.run("restore-check")
    assert not any(each.damage for each in await kept(stage))


# What is defined.


async def contents(stage: Stage, edition: int = 2) -> Contents:
    connection = await asyncpg.connect(stage.url)
    try:
        return await read(connection, stage.site.key, edition=edition)
    finally:
        await connection.close()


async def test_owners_privileges_policies_and_labels_are_part_of_the_schema(stage: Stage) -> None:
    await stage.sql("DROP ROLE IF EXISTS another")
    await stage.sql("CREATE ROLE another")
    await stage.sql("CREATE TABLE owned (id int)")
    await stage.sql("CREATE TYPE mood AS ENUM ('calm')")
    before, first = await contents(stage), await contents(stage, 1)
    for change in (
        "ALTER TABLE owned OWNER TO another",
        "GRANT SELECT ON calls TO another",
        "GRANT SELECT (text) ON call_turns TO another",
        "CREATE POLICY mine ON calls USING (true)",
        "ALTER TABLE owned ENABLE ROW LEVEL SECURITY",
        "ALTER TYPE mood ADD VALUE 'cross'",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO another",
    ):
        await stage.sql(change)
        after = await contents(stage)
        assert differences(before, after) == ["the schema differs"], change
        before = after
    assert differences(first, await contents(stage, 1)) == []  # an older record does not know of them
    for each in ("DROP OWNED BY another CASCADE", "DROP ROLE another"):
        await stage.sql(each)


async def test_a_sequence_goes_on_after_what_it_gave_out(stage: Stage) -> None:
    await stage.sql("CREATE SEQUENCE tickets")
    await stage.sql("SELECT count(nextval('tickets')) FROM generate_series(1, 40)")
    made = await stage.run("backup")
    assert (await kept(stage))[-1].contents.sequences["public.tickets"] == 40
    assert (await stage.run("restore-check")).verdict is Verdict.OK, made.summary
    recorded = await contents(stage)
    await stage.sql("SELECT setval('tickets', 39)")
    told = differences(recorded, await contents(stage))
    assert told == ["the sequence public.tickets would give out values again that it had given out"]


async def test_a_record_of_an_older_version_is_still_compared(stage: Stage) -> None:
    await stage.run("backup")
    (made,) = await kept(stage)
    older = Contents((await contents(stage, 1)).schema, made.contents.tables)
    await write_record(stage.site.repository, dataclasses.replace(made, contents=older), stage.site.key)
    assert (await stage.run("restore-check")).verdict is Verdict.OK
    newer = dataclasses.replace(made.contents, schema="3:0")
    await write_record(stage.site.repository, dataclasses.replace(made, contents=newer), stage.site.key)
    with pytest.raises(BackupError, match="recorded by a newer Trunkline"):
        await stage.run("restore-check")
