"""A PostgreSQL for all of these tests, a database of its own for each."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from engine.config import Settings
from engine.config.sections import PathSettings
from ops.jobs.job import JobContext
from tests.postgres_server import running_postgres
from tests.records_rows import make_tables

_numbers = itertools.count()

Context = Callable[..., JobContext]


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """URL of a server whose database ``template`` has the records' tables."""
    with running_postgres() as url:
        asyncio.run(_make_template(url))
        yield url


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE records_template")
    await connection.close()
    connection = await asyncpg.connect(_named(url, "records_template"))
    await make_tables(connection)
    await connection.close()


def _named(url: str, database: str) -> str:
    return f"{url.rpartition('/')[0]}/{database}"


@pytest.fixture
async def database(template: str) -> str:
    """URL of an empty database with the tables in it."""
    name = f"records_{next(_numbers)}"
    connection = await asyncpg.connect(template)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE records_template")
    await connection.close()
    return _named(template, name)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    connected = await asyncpg.connect(database)
    yield connected
    await connected.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return dataclasses.replace(Settings(), paths=PathSettings(tmp_path / "var"))


@pytest.fixture
def context(database: str, settings: Settings) -> Context:
    """Makes contexts: ``context(now, settings=…, day="2026-11-22")``."""

    def make(now: Any, *, dry_run: bool = False, settings: Settings = settings, **arguments: str) -> JobContext:
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return JobContext(settings, database, now.timestamp, named, dry_run)

    return make
