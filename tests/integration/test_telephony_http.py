"""The endpoint that the dialplan asks, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import uvicorn
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actors import telephony
from actors.journal import Journal
from actors.registry import Registry
from actors.telephony import TelephonyRoutes
from engine.clock import LoopClock
from engine.config import Secret


class Endpoint:
    """A running endpoint and what is behind it."""

    def __init__(self, token: str) -> None:
        self.registry = Registry(LoopClock(), ttl=30)
        self.journal = Journal()
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.status: dict[str, Any] = {"status": "ok", "calls": 0}
        self.app = TelephonyRoutes(
            registry=self.registry,
            journal=self.journal,
            token=Secret(token),
            status=lambda: self.status,
            command=self._command,
        ).app()
        self.url = ""

    def _command(self, call_id: str, command: dict[str, Any]) -> bool:
        self.commands.append((call_id, command))
        return True


@contextlib.asynccontextmanager
async def endpoint(token: str = "") -> AsyncIterator[tuple[Endpoint, aiohttp.ClientSession]]:
    behind = Endpoint(token)
    server = uvicorn.Server(uvicorn.Config(behind.app, port=0, lifespan="off", log_config=None, ws="none"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    behind.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/telephony"
    try:
        async with aiohttp.ClientSession() as session:
            yield behind, session
    finally:
        server.should_exit = True
        await serving


async def test_a_call_is_announced_as_asterisk_does_it() -> None:
    call = uuid.uuid4()
    async with endpoint() as (behind, session):
        form = {"uuid": str(call), "caller": "+15550100", "channel": "PJSIP/a-1"}
        async with session.post(f"{behind.url}/calls", data=form) as answer:
            assert answer.status == 201
        announced = behind.registry.use(call.bytes)
        assert announced is not None
        assert (announced.caller, announced.channel) == ("+15550100", "PJSIP/a-1")
        async with session.post(f"{behind.url}/calls", json={"uuid": str(call)}) as answer:
            assert answer.status == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"uuid=none",
        b"uuid=" + b"x" * 5000,
        b"\xff\xfe",
        b"uuid=8a0c3f3e-0d0b-4d5b-8a39-6f1f0e5d0a01&caller=" + b"1" * 300,
        b"&" * 100 + b"a=1&" * 100,
    ],
)
async def test_bad_announcements_are_refused_with_a_reason(body: bytes) -> None:
    async with endpoint() as (behind, session), session.post(f"{behind.url}/calls", data=body) as answer:
        assert answer.status == 400
        assert "expected" in await answer.text() or "longer" in await answer.text()
        assert len(behind.registry) == 0


async def test_what_is_next_is_the_operator_unless_the_call_said_otherwise() -> None:
    async with endpoint() as (behind, session):
        for call_id, wanted in (("unknown", "operator"), ("ended-well", "hangup"), ("ended-ill", "operator")):
            if call_id == "ended-well":
                behind.journal.open(call_id).next = "hangup"
            elif call_id == "ended-ill":
                behind.journal.open(call_id)
            async with session.get(f"{behind.url}/calls/{call_id}/next") as answer:
                assert await answer.text() == wanted


async def test_events_are_followed_to_the_end_of_the_call() -> None:
    async with endpoint() as (behind, session):
        behind.journal.add("call", {"type": "admitted"})

        async def go_on() -> None:
            await asyncio.sleep(0.05)
            behind.journal.add("call", {"type": "turn"})
            behind.journal.end("call")

        later = asyncio.create_task(go_on())
        async with session.get(f"{behind.url}/calls/call/events") as answer:
            events = [json.loads(line) async for line in answer.content]
        await later
        assert [event["type"] for event in events] == ["admitted", "turn"]
        async with session.get(f"{behind.url}/calls/other/events") as answer:
            assert answer.status == 404


async def test_a_token_is_asked_for_where_one_is_set() -> None:
    call = str(uuid.uuid4())
    async with endpoint("s3cret") as (behind, session):
        async with session.post(f"{behind.url}/calls", data={"uuid": call}) as answer:
            assert answer.status == 401
        async with session.post(f"{behind.url}/calls", data={"uuid": call, "token": "s3cret"}) as answer:
            assert answer.status == 201
        async with session.get(f"{behind.url}/calls/{call}/events") as answer:
            assert answer.status == 401
        headers = {"Authorization": "Bearer s3cret"}
        command = {"command": "transfer", "reason": "supervisor"}
        async with session.post(f"{behind.url}/calls/{call}/commands", data=command, headers=headers) as answer:
            assert answer.status == 202
        assert behind.commands == [(call, command)]


async def test_commands_are_refused_where_no_token_is_set() -> None:
    async with endpoint() as (behind, session):
        async with session.post(f"{behind.url}/calls/x/commands", data={"command": "hang_up"}) as answer:
            assert answer.status == 401
        async with session.post(f"{behind.url}/calls/x/commands", data={"command": "sing"}) as answer:
            assert answer.status == 400
        assert behind.commands == []


async def test_health_says_whether_calls_are_taken() -> None:
    async with endpoint() as (behind, session):
        async with session.get(f"{behind.url}/health") as answer:
            assert answer.status == 200
        behind.status = {"status": "draining", "calls": 1}
        async with session.get(f"{behind.url}/health") as answer:
            assert answer.status == 503
            assert (await answer.json())["calls"] == 1


class SlowDisk(Collector):
    """Metrics that are read from a disk which does not answer."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def collect(self) -> list[Metric]:
        self.answers.wait(30)
        return []


async def test_a_disk_that_hangs_keeps_metrics_waiting_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telephony, "METRICS_SECONDS", 0.5)
    disk = SlowDisk()
    async with endpoint() as (behind, session):
        address = behind.url.removesuffix("/telephony") + "/metrics"

        async def status() -> int:
            async with session.get(address) as answer:
                return answer.status

        assert await status() == 200
        REGISTRY._collector_to_names[disk] = []  # registered without being asked for its names
        try:
            asked = [asyncio.create_task(status()) for _ in range(20)]
            async with session.get(f"{behind.url}/health") as answer:
                assert answer.status == 200
            assert await asyncio.gather(*asked) == [503] * 20
            assert sum("to_thread" in str(task) for task in asyncio.all_tasks()) <= 1, "one thread waits for all"
        finally:
            disk.answers.set()
            del REGISTRY._collector_to_names[disk]
        assert await status() == 200
