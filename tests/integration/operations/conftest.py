"""One PostgreSQL for all of these tests, and a fresh database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.integration.operations.site import Site, make_tables
from tests.postgres_server import running_postgres


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
async def site(server: str, tmp_path: Path) -> Site:
    connection = await asyncpg.connect(server)
    await connection.execute("DROP DATABASE IF EXISTS records WITH (FORCE)")
    await connection.execute("CREATE DATABASE records")
    await connection.close()
    url = server.rpartition("/")[0] + "/records"
    await make_tables(url)
    return Site(url, tmp_path / "var")


@pytest.fixture
async def connection(site: Site) -> AsyncIterator[Any]:
    connected = await site.connect()
    yield connected
    await connected.close()
