"""What a restored server is found to be: damaged or not, and never damaged because nobody could look."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import re
import tarfile

import asyncpg
import pytest

from ops.backup.catalogue import Backup, read_catalogue, write_record
from ops.backup.errors import Damaged, ToolFailed
from ops.backup.fetching import choose
from ops.backup.streams import gathered, of_bytes
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


def relabelled(archive: bytes) -> tuple[bytes, bytes]:
    """The base with a start in it that is none, in its manifest too; and that."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as before, tarfile.open(fileobj=made, mode="w") as after:
        for entry in before:
            file = before.extractfile(entry)
            content = file.read() if file is not None else b""
            if entry.name.endswith("backup_label"):
                content, found = re.subn(rb"(?<=CHECKPOINT LOCATION: 0/)\w+", lambda each: b"8" * len(each[0]), content)
                assert found == 1
            elif entry.name.endswith("backup_manifest"):
                label = rb'("Path": "backup_label"[^}]*?), "Checksum-Algorithm"[^}]*'
                content, found = re.subn(label, rb"\1 ", content)
                assert found == 1
                body = content[: content.rindex(b'"Manifest-Checksum"')]
                content = body + f'"Manifest-Checksum": "{hashlib.sha256(body).hexdigest()}"}}\n'.encode()
                manifest = content
            entry.size = len(content)
            after.addfile(entry, io.BytesIO(content))
    return made.getvalue(), manifest


async def test_what_fits_its_manifest_and_does_not_start_is_damage(stage: Stage) -> None:
    good = (await stage.run("backup")).details["id"]
    spoilt = (await stage.run("backup", full="yes")).details["id"]
    (backup,) = [each for each in await kept(stage) if each.id == spoilt]
    site = stage.site
    archive = await gathered(site.fetch(backup.object("base")))
    base, manifest = await asyncio.to_thread(relabelled, archive)
    parts = {
        **backup.parts,
        "base": await site.keep(backup.object("base"), of_bytes(base)),
        "manifest": await site.keep(backup.object("manifest"), of_bytes(manifest)),
    }
    await write_record(site.repository, dataclasses.replace(backup, parts=parts), site.key)
    with pytest.raises(Damaged, match=rf"ended while it recovered: .*checkpoint record.* {spoilt} and what lies"):
        await stage.run("restore-check")
    assert [each.id for each in await kept(stage) if each.damage] == [spoilt]
    catalogue = await read_catalogue(site.repository, site.keys)
    assert choose(catalogue, identity="", before=None, before_lsn=None).id == good
