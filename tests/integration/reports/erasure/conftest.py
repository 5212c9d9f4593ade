"""He, two hundred others, and all the places in which they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from engine.config import Settings
from tests.integration.reports.erasure.stage import NOW, NUMBER, Context, Site, his_calls, write
from tests.records_rows import CallRows, call, insert, some_calls
from tests.valkey_server import running_valkey


@pytest.fixture
async def calls(connection: Any) -> list[CallRows]:
    """Those, and two hundred of others, one of whom mentions his number."""
    wife = call("wife", NOW - timedelta(days=2), "+990000000002").uses(
        "book_fitting", {"customer_phone": "99 000 000-00-01"}
    )
    wife.says("Call my husband at +99 (000) 000-00-01.", "Yes.").says("Thank you.", "Goodbye.")
    made = [*his_calls(), wife, *some_calls(5, NOW - timedelta(days=5), 4, 50)]
    await insert(connection, made)
    return made


@pytest.fixture
def recorded(settings: Settings, calls: list[CallRows]) -> Path:
    folder = settings.paths.recordings
    folder.mkdir(parents=True)
    for one in calls[:10]:
        (folder / f"{one.id}.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
async def live(valkey: str, settings: Settings, calls: list[CallRows]) -> AsyncIterator[Any]:
    """A Redis with sessions and a stream in it, as the settings find it."""
    client = redis.asyncio.from_url(valkey, decode_responses=True)
    await client.flushdb()
    for one in calls[:10]:
        await client.hset(f"call_session:{one.id}", mapping={"state": "speaking"})
        await client.xadd("calls:events", {"call": str(one.id), "event": json.dumps({"type": "turn"})})
    await client.set("call_session:of-a-caller-not-yet-recorded", json.dumps({"caller": NUMBER}))
    await client.set("call_session:other", json.dumps({"caller": "+990000000002"}))
    folder = settings.paths.state_dir / "valkey"
    write(folder / "url", valkey)
    yield client
    await client.aclose()


@pytest.fixture
def asked(tmp_path: Path) -> str:
    """A file with his number."""
    return str(write(tmp_path / "number.txt", "+99 000 000-00-01\n"))


@pytest.fixture
async def site(connection: Any, context: Context, settings: Settings, calls: list[CallRows], asked: str) -> Site:
    return Site(context(NOW).database, connection, context, settings, calls, asked)
