"""What a restored server is found to be: damaged or not, and never damaged because nobody could look."""

from __future__ import annotations

import asyncpg
import pytest

from ops.backup.catalogue import Backup, read_catalogue
from ops.backup.errors import ToolFailed
from ops.jobs.job import Verdict
from tests.backup_site.stage import Stage

pytestmark = pytest.mark.timeout(300)


async def kept(stage: Stage) -> list[Backup]:
    return list((await read_catalogue(stage.site.repository, stage.site.keys)).backups.values())


async def test_a_time_limit_of_a_role_is_no_damage(stage: Stage, server: str) -> None:
    await stage.sql("CREATE TABLE long AS SELECT id, repeat('x', 100) AS text FROM generate_series(1, 200000) AS id")
    await stage.sql("CREATE INDEX long_text ON long (text, id)")
    database = stage.url.rpartition("/")[2]
    connection = await asyncpg.connect(server)
    await connection.execute(f"ALTER ROLE postgres IN DATABASE {database} SET statement_timeout = '1ms'")
    await connection.close()
    await stage.run("backup")
    checked = await stage.run("restore-check")
    assert checked.verdict is Verdict.OK
    assert "NOT looked through" not in checked.summary


async def test_a_machine_without_memory_is_no_damage(stage: Stage) -> None:
    await stage.sql("""
        CREATE FUNCTION costly(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('application_name') = 'trunkline' THEN
                RAISE EXCEPTION 'out of memory' USING ERRCODE = 'out_of_memory';
            END IF;
            RETURN id;
        END $$
    """)  # only PostgreSQL's own programs are called so
    await stage.sql("CREATE TABLE kept (id int)")
    await stage.sql("CREATE INDEX kept_costly ON kept (costly(id))")
    await stage.sql("INSERT INTO kept VALUES (1)")
    await stage.run("backup")
    with pytest.raises(ToolFailed, match=r'says nothing of it: btree index ".*kept_costly": .*53200: out of memory'):
        await stage.run("restore-check")
    assert not any(each.damage for each in await kept(stage))
