"""Two real clusters whose backups go to one place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ops.backup.catalogue import read_catalogue
from ops.backup.clusters import by_cluster
from ops.backup.dumping import read_dumps
from ops.backup.errors import BackupError
from ops.backup.restoring import Target, restore
from ops.jobs.job import Verdict
from tests.backup_site.records import fresh_database
from tests.backup_site.stage import Stage, new_stage
from tests.postgres_server import running_postgres

pytestmark = pytest.mark.timeout(300)


async def kept(stage: Stage) -> dict[str, list[str]]:
    catalogue = await read_catalogue(stage.site.repository, stage.site.key)
    return {system: [each.id for each in found] for system, found in by_cluster(catalogue.backups.values()).items()}


async def test_neither_stands_in_for_the_other(tmp_path: Path, ground: Path) -> None:
    with running_postgres() as one, running_postgres() as two:
        ours = new_stage(await fresh_database(one), tmp_path / "site")
        theirs = dataclasses.replace(ours, url=await fresh_database(two))
        strict = {"keep_days": 0.0, "keep_least": 1}
        await ours.run("backup")
        await theirs.run("backup", full="yes")
        ours_id, theirs_id = [str(await each.sql("SELECT system_identifier FROM pg_control_system()"))
                              for each in (ours, theirs)]  # fmt: skip
        first = await kept(ours)
        assert set(first) == {ours_id, theirs_id}

        # The newest of all is the other's: the check and the restore must not take it.
        checked = await ours.run("restore-check")
        assert checked.verdict is Verdict.OK
        assert [checked.details["id"]] == first[ours_id]
        assert [(await ours.run("restore-check", cluster=theirs_id)).details["id"]] == first[theirs_id]
        with pytest.raises(BackupError, match=r"2 clusters .* --cluster ID") as refused:
            await restore(ours.site, ground / "data", target=Target())
        assert ours_id in str(refused.value)
        assert theirs_id in str(refused.value)
        assert not (ground / "data").exists()
        done = await restore(ours.site, ground / "data", cluster=ours_id, target=Target())
        assert [done.backup] == first[ours_id]

        # Two more of ours leave the only one of theirs alone, and their log.
        for _ in range(2):
            await ours.having(**strict).run("backup", full="yes")
        left = await kept(ours)
        assert len(left[ours_id]) == 1
        assert left[theirs_id] == first[theirs_id]
        assert (await theirs.run("restore-check")).verdict is Verdict.OK

        # Dumps are counted by cluster too.
        await theirs.run("dump")
        for _ in range(3):
            await ours.having(**strict).run("dump")
        dumps = [each["system_id"] for each in (await read_dumps(ours.site)).bodies]
        assert dumps.count(theirs_id) == 1
        assert 1 <= dumps.count(ours_id) <= 2  # within one second they have one name


async def test_a_database_without_a_backup_is_not_proven_by_another_s(tmp_path: Path) -> None:
    with running_postgres() as one, running_postgres() as two:
        stage = new_stage(await fresh_database(one), tmp_path / "site")
        await stage.run("backup")
        new = dataclasses.replace(stage, url=await fresh_database(two))
        with pytest.raises(BackupError, match=r"no backup of cluster \d+ here; there are"):
            await new.run("restore-check")
