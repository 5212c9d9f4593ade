"""The whole engine as a user starts it: what happens to a call when a part of it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from engine.audio.wav import read_wav
from ops.bench.engine_process import Engine, engine_process
from ops.bench.processes import descendants
from ops.caller import Caller
from ops.demonstration import FOLDER
from ops.exchange import Exchange
from tests.ports import free_port
from tests.records_stage import WITHOUT_RECORDS

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

ADMIN_PORT = free_port()
SETTINGS = {
    "TRUNKLINE_ADMIN_PORT": str(ADMIN_PORT),
    "TRUNKLINE_STORE_TOKEN": "shop",
    "TRUNKLINE_STORE_DEMO_ADMIN_TOKEN": "switch",
    "TRUNKLINE_STT": "scripted",
    "TRUNKLINE_TTS": "scripted",
    "TRUNKLINE_SPEECH_SPEED": "2",  # what is said is not listened to, and takes half the time
    "TRUNKLINE_LLM": "scripted",
    "TRUNKLINE_STT_REPLICAS": "2",
    "TRUNKLINE_TTS_REPLICAS": "2",
    "TRUNKLINE_LLM_REPLICAS": "2",
    "TRUNKLINE_CAPACITY": "4",
    "TRUNKLINE_SCRIPTED_REPLY_WORDS": "14",
    "TRUNKLINE_SCRIPTED_TEXTS": "first words of the caller|second words of the caller|third words of the caller",
}
SPEECH = read_wav(FOLDER / "order_status.wav")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    state = {"TRUNKLINE_STATE_DIR": str(tmp_path_factory.mktemp("state"))}
    async with engine_process(SETTINGS | state | WITHOUT_RECORDS) as running:
        yield running
    assert running.left_behind == []


@pytest_asyncio.fixture(loop_scope="module")
async def exchange(engine: Engine) -> AsyncIterator[Exchange]:
    async with Exchange(engine.telephony) as ready:
        yield ready


def processes(engine: Engine, title: str) -> list[int]:
    """Process ids of the engine's processes of this title, oldest first."""
    assert engine.pid is not None
    return sorted(found.pid for found in descendants(engine.pid) if found.title.startswith(title))


def turns(caller: Caller) -> list[dict[str, object]]:
    return [event.data for event in caller.engine_events if event.type == "turn" and event.data["stages"]]


async def test_the_demonstration_apis_and_their_breaker_are_there(engine: Engine) -> None:
    base = f"http://127.0.0.1:{ADMIN_PORT}/store"
    store, switch = ({"Authorization": f"Bearer {token}"} for token in ("shop", "switch"))
    async with aiohttp.ClientSession() as session:

        async def status(path: str, headers: dict[str, str]) -> int:
            async with session.get(base + path, headers=headers) as answer:
                return answer.status

        assert await status("/tires/T-1042", store) == await status("/clinic/doctors", store) == 200
        assert await status("/tires/T-1042", switch) == await status("/clinic/doctors", switch) == 401
        async with session.put(f"{base}/__faults", headers=switch, json={"mode": "503", "remaining": 1}) as answer:
            assert answer.status == 200
        assert [await status("/tires/T-1042", store) for _ in range(2)] == [503, 200]
        async with session.get(f"{engine.telephony}/metrics") as answer:
            assert 'trunkline_breaker_state{name="store",state="closed"} 1.0' in await answer.text()


async def test_a_replica_of_the_recogniser_is_lost_in_mid_sentence(engine: Engine, exchange: Exchange) -> None:
    async with Caller(engine.address, exchange, follow=True) as caller:
        await caller.wait_for_greeting(10)
        for replica in processes(engine, "ray::ServeReplica:stt:stt")[:1]:
            speaking = asyncio.ensure_future(caller.speak(SPEECH))
            await asyncio.sleep(1.5)
            os.kill(replica, signal.SIGKILL)
            await speaking
            await caller.wait_for_answer(10)
        await caller.speak(SPEECH)
        await caller.wait_for_answer(10)
        await caller.wait_for_event("turn", 5, accept=lambda event: event.data.get("turn") == 2)
        assert [turn["caller"] for turn in turns(caller)] == ["first words of the caller", "second words of the caller"]
        assert caller.ending is None


@pytest.mark.parametrize("service", ["tts", "llm"])
async def test_a_replica_is_lost_while_it_answers(engine: Engine, exchange: Exchange, service: str) -> None:
    async with Caller(engine.address, exchange, follow=True) as caller:
        await caller.wait_for_greeting(10)
        await caller.speak(SPEECH)
        await asyncio.sleep(0.45)  # the answer is being made ahead of the end of the turn
        for replica in processes(engine, f"ray::ServeReplica:{service}:{service}")[:1]:
            os.kill(replica, signal.SIGKILL)
        await caller.wait_for_answer(10)
        await caller.wait_for_event("turn", 10, accept=lambda event: event.data.get("turn") == 1)
        assert len(str(turns(caller)[0]["agent"]).split()) == 14, "every word of the answer was heard"
        assert caller.ending is None


async def test_the_ingress_is_lost_and_the_call_goes_on(engine: Engine, exchange: Exchange) -> None:
    async def taken_again() -> float:
        """When a new call is answered at the same address."""
        async with asyncio.timeout(120):
            while True:
                try:
                    async with Caller(engine.address, exchange) as second:
                        await second.wait_for_greeting(10)
                        return time.monotonic()
                except Exception:  # not listening yet
                    await asyncio.sleep(0.2)

    async with Caller(engine.address, exchange) as caller:
        await caller.wait_for_greeting(10)
        (ingress,) = processes(engine, "ray::IngressActor")
        os.kill(ingress, signal.SIGKILL)
        lost = time.monotonic()
        taken = asyncio.create_task(taken_again())
        await caller.speak(SPEECH)
        await caller.wait_for_answer(10)
        until = await taken
        await caller.speak(SPEECH)
        await caller.wait_for_answer(10)
        assert processes(engine, "ray::IngressActor") not in ([], [ingress])
        assert caller.ending is None
        # He did not wait for it: how long that takes is the measure, on a machine that other tests keep busy.
        assert max(caller.heard.gaps()) < (until - lost) / 3


async def test_commands_need_a_token(engine: Engine, exchange: Exchange) -> None:
    async with Caller(engine.address, exchange) as caller, aiohttp.ClientSession() as session:
        await caller.wait_for_greeting(10)
        url = f"{engine.telephony}/telephony/calls/{caller.call_id}/commands"
        async with session.post(url, data={"command": "transfer"}) as answer:
            assert answer.status == 401
