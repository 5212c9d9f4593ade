"""A real PostgreSQL and a real Valkey with nothing in them, and an outbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from engine.records.outbox import Outbox
from tests.embedded import Databases, open_folder


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    with open_folder() as folder:
        yield Databases(folder)


@pytest.fixture(scope="module")
def server(databases: Databases) -> Iterator[str]:
    with databases.postgres_runs() as url:
        yield url


@pytest.fixture(scope="module")
def valkey(databases: Databases) -> Iterator[str]:
    with databases.valkey_runs() as url:
        yield url


TABLES = "calls, call_turns, call_tool_calls, recorder_cursors, customers, callbacks, prompt_versions"


@pytest.fixture
async def database(server: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(server)
    await connection.execute(f"TRUNCATE {TABLES}")
    yield connection
    await connection.close()


@pytest.fixture
async def stream(valkey: str) -> AsyncIterator[Any]:
    client = redis.asyncio.from_url(valkey, decode_responses=True)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox", segment_bytes=1 << 16, reserve_bytes=1 << 16)
    outbox.open()
    yield outbox
    outbox.close()
