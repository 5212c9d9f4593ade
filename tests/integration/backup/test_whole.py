"""Backups of a real PostgreSQL: taken, verified, restored to a point in time, and every damage found."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from ops.backup.carrier import Carrier, Progress
from ops.backup.catalogue import read_catalogue
from ops.backup.errors import BackupError, Damaged, KeyMismatch, NotTheSame, WalMissing, WrongVersion
from ops.backup.programs import find_programs
from ops.backup.restoring import Target, restore
from ops.backup.throwaway import serving
from ops.backup.throwaway_account import account
from ops.jobs.job import Verdict
from tests.backup_site.records import add_calls, count, fresh_database
from tests.backup_site.stage import (
    JOBS,
    OLDER,
    Stage,
    forget_slot,
    new_stage,
    summarize_log,
    takes_incremental_ones,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def stage(server: str, tmp_path: Path) -> AsyncIterator[Stage]:
    await summarize_log(server)
    yield new_stage(await fresh_database(server), tmp_path / "site")
    await forget_slot(server)


async def more_calls(stage: Stage, number: int) -> None:
    connection = await asyncpg.connect(stage.url)
    await add_calls(connection, number)
    await connection.close()


async def test_a_backup_restores_to_what_it_was(stage: Stage) -> None:
    made = await stage.run("backup")
    assert made.verdict is Verdict.OK
    assert made.details["kind"] == "full"
    assert made.details["encrypted"]
    assert made.details["tables"]["public.calls_2026_10"] > 0
    assert sum(rows for table, rows in made.details["tables"].items() if ".calls_2" in table) == 300
    await more_calls(stage, 50)  # after the mark: the check must not see them
    checked = await stage.run("restore-check")
    assert checked.verdict is Verdict.OK, checked.summary
    assert checked.figures["rows"] == made.figures["rows"]
    backup = (await read_catalogue(stage.site.repository, stage.site.key)).newest
    assert backup is not None
    assert backup.verified_at is not None
    assert backup.restored_at is not None


async def test_incremental_backups_restore_with_what_they_lie_over(stage: Stage) -> None:
    kinds, notes = [], []
    for _ in range(3):
        made = await stage.run("backup")
        kinds.append(made.details["kind"])
        notes += made.details["notes"]
        await more_calls(stage, 100)
        await stage.sql("DELETE FROM call_turns WHERE turn = 3")
    if not await takes_incremental_ones(stage):
        assert kinds == ["full"] * 3
        assert notes.count(OLDER) == 3
        assert (await stage.run("restore-check")).verdict is Verdict.OK
        return
    assert kinds == ["full", "incremental", "incremental"]
    sizes = [backup.bytes for backup in (await read_catalogue(stage.site.repository, stage.site.key)).backups.values()]
    assert sizes[1] < sizes[0] / 2
    checked = await stage.run("restore-check")
    assert checked.verdict is Verdict.OK
    assert checked.details["kind"] == "incremental"
    assert (await stage.run("backup", full="yes")).details["kind"] == "full"


async def test_without_summaries_a_backup_is_a_full_one_and_says_why(stage: Stage) -> None:
    await stage.run("backup")
    able = await takes_incremental_ones(stage)
    if able:
        await stage.sql("ALTER SYSTEM SET summarize_wal = off")
        await stage.sql("SELECT pg_reload_conf()")
    made = await stage.run("backup")
    assert made.details["kind"] == "full"
    assert ("full: the server has summarize_wal off" if able else OLDER) in made.details["notes"]


async def restored_calls(stage: Stage, data: Path, target: Target) -> int:
    """Calls in the database of a restored data folder, asked of a server of its own."""
    await restore(stage.site, data, target=target)
    programs = find_programs(stage.settings.postgres_programs, await stage.sql("SHOW server_version"))
    options = {"fsync": "off"}
    from ops.backup.throwaway import reachable  # noqa: PLC0415

    who = account(stage.settings)
    async with (
        stage.site.workshop("test") as work,
        serving(
            await reachable(programs, who, work),
            data,
            who,
            options,
            seconds=60,
            role="postgres",
            database="records",
        ) as url,
    ):
        return await count(url)


async def test_a_site_comes_back_as_it_was_at_a_time_and_as_it_was_last(stage: Stage, open_folder: Path) -> None:
    await stage.run("backup")
    await more_calls(stage, 7)
    moment = await stage.sql("SELECT extract(epoch FROM clock_timestamp())::float8")
    await asyncio.sleep(0.05)
    await stage.sql("DELETE FROM calls")  # what the restore is for
    await stage.sql("SELECT pg_switch_wal()")
    await more_calls(stage, 3)
    carried = await stage.run("wal", seconds="4")
    assert carried.verdict is Verdict.OK
    assert await restored_calls(stage, open_folder / "then", Target(time=moment)) == 307
    assert await restored_calls(stage, open_folder / "last", Target()) == 3


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a server of another user may go: pytest's own folders are closed."""
    import tempfile  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="trunkline-restored-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_hooks_run_before_anybody_can_reach_the_site(
    stage: Stage, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run("backup")
    seen = []

    async def erase(url: str) -> str:
        seen.append(await count(url))
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE calls SET caller = NULL")
        await connection.close()
        return "erased again: 1 caller"

    monkeypatch.setattr("ops.backup.restoring.after_restore", [erase])
    done = await restore(stage.site, open_folder / "data", target=Target())
    assert seen == [300]
    assert done.told == ("nobody was ever erased at this site", "erased again: 1 caller")


async def test_a_hook_that_fails_leaves_no_site(
    stage: Stage, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.run("backup")

    async def fails(url: str) -> str:
        raise BackupError("the erasures could not be done")

    monkeypatch.setattr("ops.backup.restoring.after_restore", [fails])
    with pytest.raises(BackupError, match="erasures"):
        await restore(stage.site, open_folder / "data", target=Target())
    assert not (open_folder / "data").exists()


# What was kept is not what is there now.


def base_of(stage: Stage) -> Path:
    return next(stage.folder.glob("backups/*/base"))


async def test_a_flipped_byte_is_found(stage: Stage) -> None:
    await stage.run("backup")
    file = base_of(stage)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged, match=r"backups/\d+T\d+Z-[0-9a-f]{4}/base is damaged between MiB \d+ and \d+"):
        await stage.run("restore-check")


async def test_a_truncated_file_is_found(stage: Stage) -> None:
    await stage.run("backup")
    file = base_of(stage)
    file.write_bytes(file.read_bytes()[:-100_000])
    with pytest.raises(Damaged, match=r"base is cut off"):
        await stage.run("restore-check")


async def test_a_flipped_byte_in_the_record_is_found(stage: Stage) -> None:
    await stage.run("backup")
    record = next(stage.folder.glob("backups/*/record"))
    text = record.read_text()
    record.write_text(
        text.replace('"rows":', '"rows":1', 1) if '"rows":' in text else text.replace('"rows": ', '"rows": 1', 1)
    )
    with pytest.raises(BackupError, match="no backup yet"):  # it is none any more, and the list says so
        await stage.run("restore-check")
    assert (await read_catalogue(stage.site.repository, stage.site.key)).faults


async def test_a_missing_segment_is_found_and_named(stage: Stage, open_folder: Path) -> None:
    await stage.run("backup")
    for _ in range(3):
        await more_calls(stage, 5)
        await stage.sql("SELECT pg_switch_wal()")
    await stage.run("wal", seconds="4")
    await stage.run("backup", full="yes")
    segments = sorted(path for path in stage.folder.glob("wal/*/*") if len(path.name) == 24)
    segments[2].unlink()
    oldest = next(iter((await read_catalogue(stage.site.repository, stage.site.key)).backups))
    with pytest.raises(WalMissing, match=rf"segment {segments[2].name} is not kept; `--to-lsn [0-9A-F]+/[0-9A-F]+`"):
        await restore(stage.site, open_folder / "data", identity=oldest, target=Target())


async def test_log_that_ends_before_the_time_is_said(stage: Stage, open_folder: Path) -> None:
    await stage.run("backup")
    with pytest.raises(WalMissing, match="ends before the target"):
        await restore(stage.site, open_folder / "data", target=Target(time=time.time() + 3600))
    assert not (open_folder / "data").exists()


async def test_the_wrong_key_is_said(stage: Stage, tmp_path: Path) -> None:
    await stage.run("backup")
    other = tmp_path / "other"
    other.write_text("ab" * 32)
    other.chmod(0o600)
    with pytest.raises(KeyMismatch, match="give the one it was made with"):
        await stage.having(key_file=other).run("restore-check")
    with pytest.raises(KeyMismatch, match="no key is given"):
        await stage.having(key_file=None).run("restore-check")


async def test_a_newer_server_is_said(stage: Stage) -> None:
    await stage.run("backup")
    record = (await read_catalogue(stage.site.repository, stage.site.key)).newest
    assert record is not None
    from ops.backup.catalogue import write_record  # noqa: PLC0415

    newer = dataclasses.replace(record, server_version="99.1")
    await write_record(stage.site.repository, newer, stage.site.key)
    with pytest.raises(WrongVersion, match=r"the server is PostgreSQL 99\.1 .* install those of version 99"):
        await stage.run("restore-check")


async def test_other_content_is_found(stage: Stage) -> None:
    """A row changed in a way that no checksum of a file would tell: the record says something else."""
    await stage.run("backup")
    record = (await read_catalogue(stage.site.repository, stage.site.key)).newest
    assert record is not None
    from ops.backup.catalogue import write_record  # noqa: PLC0415

    tables = dict(record.contents.tables)
    tables["public.calls_2026_10"] = dataclasses.replace(tables["public.calls_2026_10"], sample="0" * 32)
    tables["public.calls_2026_11"] = dataclasses.replace(tables["public.calls_2026_11"], rows=1)
    contents = dataclasses.replace(record.contents, schema="0", tables=tables)
    await write_record(stage.site.repository, dataclasses.replace(record, contents=contents), stage.site.key)
    with pytest.raises(NotTheSame) as found:
        await stage.run("restore-check")
    assert "the schema differs" in str(found.value)
    assert "public.calls_2026_10 has other content" in str(found.value)
    assert "recorded were 1" in str(found.value)


# The log.


async def test_log_is_kept_while_calls_are_written_and_its_age_is_known(stage: Stage) -> None:
    await stage.run("backup")
    carrying = asyncio.create_task(stage.run("wal", seconds="8"))
    for _ in range(6):
        await more_calls(stage, 20)
        await asyncio.sleep(1)
    second = await stage.run("wal", seconds="1")
    assert second.verdict is Verdict.SKIPPED
    carried = await carrying
    assert carried.figures["reconnects"] == 0
    assert 0 < carried.figures["worst_age_seconds"] < 10  # kept every second
    checked = await stage.run("restore-check")
    assert checked.figures["log_age_seconds"] < 60


async def test_a_carrier_that_is_lost_with_its_disk_loses_nothing(stage: Stage, open_folder: Path) -> None:
    await stage.run("backup")
    carrying = asyncio.create_task(stage.run("wal"))
    await asyncio.sleep(2)
    for _ in range(4):
        await more_calls(stage, 5)
        await stage.sql("SELECT pg_switch_wal()")
    carrying.cancel()  # all that it had received and not kept is gone
    with pytest.raises(asyncio.CancelledError):
        await carrying
    await more_calls(stage, 5)
    await stage.run("wal", seconds="4")
    assert await restored_calls(stage, open_folder / "data", Target()) == 325


async def test_a_slot_that_the_server_gave_up_is_a_gap_that_is_told(stage: Stage, open_folder: Path) -> None:
    await stage.run("backup")
    await stage.sql("SELECT pg_drop_replication_slot('trunkline_wal')")
    for _ in range(3):
        await stage.sql("SELECT pg_switch_wal()")
        await more_calls(stage, 1)
    await stage.sql("CHECKPOINT")
    await stage.sql("CHECKPOINT")
    told = await stage.run("wal", seconds="3")
    assert told.verdict is Verdict.FAILED
    assert "take a full backup now" in told.summary
    with pytest.raises(WalMissing, match="not whole"):
        await restore(stage.site, open_folder / "data", target=Target())
    await stage.run("backup", full="yes")
    assert (await stage.run("restore-check")).verdict is Verdict.OK


async def test_dumps_are_listed_back_and_say_both_versions(stage: Stage) -> None:
    done = await stage.run("dump")
    assert done.verdict is Verdict.OK
    version = (await stage.sql("SHOW server_version")).split(" ")[0]  # "15.18 (Debian 15.18-0+deb12u1)"
    assert done.details["server_version"] == done.details["tool_version"] == version
    assert done.details["entries"] > 20


async def test_a_backup_whose_log_is_not_kept_in_time_is_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Carrier, **_limits: object) -> Progress:
        return Progress()

    monkeypatch.setattr(Carrier, "carry", nothing)
    with pytest.raises(BackupError, match="was not kept within"):
        await stage.run("backup")
    assert not (await read_catalogue(stage.site.repository, stage.site.key)).backups


async def test_a_storage_that_refuses_leaves_no_backup(stage: Stage, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BackupError):
        await stage.having(to=str(blocked / "kept")).run("backup")


async def test_what_is_not_set_up_is_skipped(stage: Stage) -> None:
    for job in ("backup", "wal", "restore-check", "dump"):
        assert (await stage.having(to="").run(job)).verdict is Verdict.SKIPPED


async def test_what_is_too_old_goes_and_what_stays_still_restores(stage: Stage) -> None:
    for _ in range(3):
        await stage.run("backup", full="yes")
        await more_calls(stage, 10)
        await stage.sql("SELECT pg_switch_wal()")
    before = {path.name for path in stage.folder.glob("wal/*/*")}
    strict = stage.having(keep_days=0.0, keep_least=2)
    made = await strict.run("backup", full="yes")
    assert len(made.details["removed"]) == 2
    assert len(list(stage.folder.glob("backups/*"))) == 2
    assert before - {path.name for path in stage.folder.glob("wal/*/*")}  # log of the removed ones went too
    for identity in (await read_catalogue(stage.site.repository, stage.site.key)).backups:
        assert (await stage.run("restore-check", backup=identity)).verdict is Verdict.OK


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    for job in ("backup", "wal", "dump"):
        report = await JOBS[job].run(dataclasses.replace(stage.context(), dry_run=True))
        assert report.verdict is Verdict.OK
    said = capsys.readouterr().out
    able = await takes_incremental_ones(stage)
    why = "there is no verified backup before it" if able else "the server is older than PostgreSQL 17"
    assert f"a full backup ({why})" in said
    assert "carry the log of cluster" in said
    assert "pg_dump" in said
    assert not stage.folder.exists()
