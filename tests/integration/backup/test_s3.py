"""A site whose backups are kept in S3-compatible storage, away for a while too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ops.backup.errors import Damaged
from ops.backup.measures import measures
from ops.backup.streams import gathered, of_bytes
from ops.jobs import wal
from ops.jobs.job import Verdict
from tests.backup_site.records import add_calls, fresh_database
from tests.backup_site.s3_server import FaultyProxy, running_s3
from tests.backup_site.stage import Stage, forget_slot, new_stage

pytestmark = pytest.mark.timeout(300)

BUCKET = "trunkline-site"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3(BUCKET) as url:
        yield url


async def stage_at(server: str, endpoint: str, folder: Path) -> Stage:
    settings = {
        "TRUNKLINE_BACKUP_S3_ENDPOINT": endpoint,
        "TRUNKLINE_BACKUP_S3_ACCESS_KEY": "test",
        "TRUNKLINE_BACKUP_S3_SECRET_KEY": "test",
        "TRUNKLINE_BACKUP_S3_TIMEOUT_S": "2",
    }
    return new_stage(await fresh_database(server), folder, to=f"s3://{BUCKET}/{folder.name}", more=settings)


async def test_a_site_is_kept_in_s3_while_it_comes_and_goes(
    server: str, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultyProxy(s3) as proxy:
        stage = await stage_at(server, proxy.url, tmp_path / "one")
        made = await stage.run("backup")
        assert made.verdict is Verdict.OK
        connection = await asyncpg.connect(stage.url)
        monkeypatch.setattr(wal, "TELL_SECONDS", 0.2)
        async with stage.carrying():
            proxy.refuse(1_000_000)
            for _ in range(5):
                await add_calls(connection, 20)
                await connection.execute("SELECT pg_switch_wal()")
                await asyncio.sleep(1)
            end = await connection.fetchval("SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint")
            proxy.heal()
            await stage.having_kept(end)
            assert stage.log_figures()["reconnects"] > 0
        await connection.close()
        assert (await stage.run("backup", full="yes")).figures["rows"] > made.figures["rows"]
        assert (await stage.run("restore-check")).verdict is Verdict.OK
        system = str(await stage.sql("SELECT system_identifier FROM pg_control_system()"))
        found = await measures(stage.site, system)
        assert found["verified_backups"] == 2
        assert found["log_gap"] == 0
        assert found["log_age_seconds"] < 60
    await forget_slot(server)


async def test_damage_in_s3_is_found(server: str, s3: str, tmp_path: Path) -> None:
    stage = await stage_at(server, s3, tmp_path / "two")
    made = await stage.run("backup")
    repository, name = stage.site.repository, f"backups/{made.details['id']}/base"
    content = bytearray(await gathered(repository.get(name)))
    content[len(content) // 3] ^= 4
    await repository.put(name, of_bytes(bytes(content)))
    with pytest.raises(Damaged, match="base is damaged between MiB"):
        await stage.run("restore-check")
    await forget_slot(server)
