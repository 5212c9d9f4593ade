"""One PostgreSQL for all of these tests, and a fresh database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.operations.site import Site, new_site
from tests.postgres_server import running_postgres


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
async def site(server: str, tmp_path: Path) -> Site:
    return await new_site(server, "records", tmp_path / "var")


@pytest.fixture
async def connection(site: Site) -> AsyncIterator[Any]:
    connected = await site.connect()
    yield connected
    await connected.close()
