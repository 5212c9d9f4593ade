"""Numbered SQL files and a real PostgreSQL: once, in their order, never changed, while others work."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine import sql
from engine.errors import ConfigurationError
from engine.knowledge import tables as knowledge
from engine.records.writer import migrations
from ops import tables
from ops.tables import Made, make_tables, state_of_tables
from tests.ports import free_port
from tests.postgres_server import needs_pgvector, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
async def url(server: str) -> str:
    connection = await asyncpg.connect(server)
    await connection.execute("DROP DATABASE IF EXISTS migrated WITH (FORCE)")
    await connection.execute("CREATE DATABASE migrated")
    await connection.close()
    return server.rpartition("/")[0] + "/migrated"


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Any]:
    connected = await asyncpg.connect(url)
    yield connected
    await connected.close()


ONE = sql.Migration("things/0001_one.sql", "CREATE TABLE one (id integer); INSERT INTO one VALUES (1)")
TWO = sql.Migration("things/0002_two.sql", "ALTER TABLE one ADD COLUMN name text")
WRONG = sql.Migration("things/0003_wrong.sql", "CREATE TABLE three (id integer); SELECT 1 / 0")


async def test_what_is_missing_is_applied_once(connection: Any) -> None:
    assert (await sql.state(connection, [ONE])).pending == (ONE.name,)
    assert await sql.migrate(connection, [ONE]) == [ONE.name]
    assert await sql.migrate(connection, [ONE, TWO]) == [TWO.name]
    assert await sql.migrate(connection, [ONE, TWO]) == []
    found = await sql.state(connection, [ONE, TWO])
    assert (found.applied, found.pending, found.changed) == ((ONE.name, TWO.name), (), ())
    assert (await sql.state(connection, [ONE])).unknown == (TWO.name,)


async def test_a_file_that_fails_leaves_nothing_of_itself(connection: Any) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await sql.migrate(connection, [ONE, TWO, WRONG])
    assert (await sql.state(connection, [ONE, TWO, WRONG])).pending == (WRONG.name,)
    assert await connection.fetchval("SELECT to_regclass('three')") is None


async def test_an_applied_file_is_never_changed(connection: Any) -> None:
    await sql.migrate(connection, [ONE])
    changed = sql.Migration(ONE.name, ONE.text + " -- better")
    assert (await sql.state(connection, [changed])).changed == (ONE.name,)
    with pytest.raises(ConfigurationError, match=r"0001_one\.sql in another form.*never changed.*new file"):
        await sql.migrate(connection, [changed])


async def test_processes_at_once_apply_each_file_once(url: str) -> None:
    async def one() -> list[str]:
        connected = await asyncpg.connect(url)
        try:
            return await sql.migrate(connected, migrations())
        finally:
            await connected.close()

    done = await asyncio.gather(*(one() for _ in range(5)))
    assert sorted(name for names in done for name in names) == [each.name for each in migrations()]


async def test_a_table_in_use_is_waited_for(connection: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(sql, "PAUSE_SECONDS", 0.2)
    await sql.migrate(connection, [ONE])
    other = await asyncpg.connect(url)
    await other.execute("BEGIN; LOCK TABLE one IN ACCESS SHARE MODE")
    applying = asyncio.create_task(sql.migrate(connection, [ONE, TWO]))
    await asyncio.sleep(0.5)
    assert not applying.done()
    await other.execute("INSERT INTO one VALUES (2)")  # whoever works is not held up for longer than the lock's time
    await other.execute("COMMIT")
    assert await applying == [TWO.name]
    await other.close()


async def test_a_lock_that_is_never_had_is_told(connection: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(sql, "PAUSE_SECONDS", 0.01)
    await sql.migrate(connection, [ONE])
    other = await asyncpg.connect(url)
    await other.execute("BEGIN; LOCK TABLE one IN ACCESS SHARE MODE")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await sql.migrate(connection, [ONE, TWO])
    await other.close()


def command(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "db", *words],
        env={**os.environ, "TRUNKLINE_DATABASE": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )


async def test_the_command_makes_the_tables_and_tells_how_they_stand(url: str, connection: Any) -> None:
    await needs_pgvector(connection)
    pending = await asyncio.to_thread(command, url, "status")
    assert (pending.returncode, "pending: records/0001_calls.sql" in pending.stdout) == (3, True)
    assert "pending: knowledge/0001_articles.sql" in pending.stdout
    made = await asyncio.to_thread(command, url, "migrate")
    assert (made.returncode, "applied records/0001_calls.sql" in made.stdout) == (0, True), made.stderr
    again = await asyncio.to_thread(command, url, "migrate")
    assert again.stdout == "the tables are up to date\n"
    assert (await asyncio.to_thread(command, url, "status")).returncode == 0


async def test_the_tables_of_the_domain_are_there(connection: Any) -> None:
    await needs_pgvector(connection)
    assert (await make_tables(connection)).lacking == ""
    assert await connection.fetchval("SELECT count(*) FROM knowledge_articles") == 0
    found, lacking = await state_of_tables(connection)
    assert (found.pending, lacking) == ((), "")


async def test_a_server_without_pgvector_is_told_and_records_all_the_same(
    connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_AVAILABLE", "SELECT false")
    made = await make_tables(connection)
    assert "no pgvector" in made.lacking
    assert await connection.fetchval("SELECT count(*) FROM calls") == 0
    found, lacking = await state_of_tables(connection)
    assert (found.pending, lacking) == ((), made.lacking)


@pytest.mark.parametrize(
    "error", [ConfigurationError("the file was changed"), asyncpg.FeatureNotSupportedError("an allow list")]
)
async def test_what_hinders_the_knowledge_base_hinders_no_call(
    connection: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refused(_: Any) -> list[str]:
        raise error

    monkeypatch.setattr(knowledge, "migrate", refused)
    made = await make_tables(connection)
    assert made.lacking.startswith("no knowledge_articles: ")
    assert await connection.fetchval("SELECT count(*) FROM calls") == 0


async def test_a_user_who_may_not_make_the_extension_is_told(url: str, connection: Any) -> None:
    await needs_pgvector(connection)
    await connection.execute("DROP ROLE IF EXISTS plain")
    await connection.execute("CREATE ROLE plain LOGIN")
    await connection.execute("GRANT CREATE ON SCHEMA public TO plain")
    plain = await asyncpg.connect(url.replace("//postgres@", "//plain@"))
    try:
        made = await make_tables(plain)
        found, lacking = await state_of_tables(plain)
    finally:
        await plain.close()
    assert (found.pending, lacking) == ((), made.lacking), "there is nothing that `migrate` could do"
    assert "have a superuser run CREATE EXTENSION vector" in made.lacking
    await connection.execute("CREATE EXTENSION vector")
    plain = await asyncpg.connect(url.replace("//postgres@", "//plain@"))
    try:
        assert await make_tables(plain) == Made(("knowledge/0001_articles.sql",))
    finally:
        await plain.close()


async def test_a_database_that_cannot_be_reached_is_told_without_its_password() -> None:
    url = f"postgresql://somebody:very-secret@127.0.0.1:{free_port()}/nothing"
    status = await asyncio.to_thread(command, url, "status")
    assert (status.returncode, "cannot be reached" in status.stdout) == (1, True), status.stdout
    migrate = await asyncio.to_thread(command, url, "migrate")
    assert migrate.returncode == 2
    assert "very-secret" not in status.stdout + status.stderr + migrate.stdout + migrate.stderr


def test_none_is_told() -> None:
    told = command("none", "migrate")
    assert (told.returncode, "TRUNKLINE_DATABASE=none" in told.stderr) == (2, True)
