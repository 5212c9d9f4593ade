"""The whole engine with a cloud's recogniser and voice in front of its chains, and what a caller notices when both go.

Both are servers of the public protocols on loopback, in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.audio.wav import read_wav
from ops.bench.engine_process import Engine, engine_process
from ops.caller import Caller
from ops.demonstration import FOLDER
from ops.exchange import Exchange
from tests import google_server, openai_server
from tests.google_server import GoogleServer, google
from tests.openai_server import OpenAiServer, openai
from tests.records_stage import WITHOUT_RECORDS

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

SPEECH = read_wav(FOLDER / "order_status.wav")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clouds() -> AsyncIterator[tuple[GoogleServer, OpenAiServer]]:
    async with google() as ear, openai() as mouth:
        yield ear, mouth


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(
    clouds: tuple[GoogleServer, OpenAiServer], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    ear, mouth = clouds
    settings = {
        "TRUNKLINE_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "TRUNKLINE_STT": "google,scripted",
        "TRUNKLINE_GOOGLE_STT_ENDPOINT": ear.url,
        "TRUNKLINE_GOOGLE_API_KEY": google_server.KEY,
        "TRUNKLINE_GOOGLE_PROJECT": "shop",
        "TRUNKLINE_TTS": "openai,scripted",
        "TRUNKLINE_OPENAI_SPEECH_URL": mouth.url,
        "TRUNKLINE_OPENAI_SPEECH_KEY": openai_server.KEY,
        # What was said before would need no voice.
        "TRUNKLINE_SPEECH_CACHE_MB": "0",
        "TRUNKLINE_SPEECH_CACHE_DISK_MB": "0",
        "TRUNKLINE_LLM": "scripted",
        "TRUNKLINE_CAPACITY": "2",
        "TRUNKLINE_SCRIPTED_REPLY_WORDS": "14",
        "TRUNKLINE_SCRIPTED_TEXTS": "what the second recogniser heard",
    }
    async with engine_process(settings | WITHOUT_RECORDS) as running:
        yield running
    assert running.left_behind == []


async def test_a_call_goes_on_when_the_clouds_are_gone(
    engine: Engine, clouds: tuple[GoogleServer, OpenAiServer]
) -> None:
    ear, mouth = clouds
    async with Exchange(engine.telephony) as exchange, Caller(engine.address, exchange, follow=True) as caller:
        await caller.wait_for_greeting(10)
        assert mouth.spoken, "the fixed sentences were prepared by the first voice"
        await caller.speak(SPEECH)
        await caller.wait_for_answer(10)
        await caller.wait_for_event("turn", 10, accept=lambda event: event.data.get("turn") == 1)
        speaking = asyncio.ensure_future(caller.speak(SPEECH))
        await asyncio.sleep(1.0)
        await ear.stop()
        await mouth.stop()
        await speaking
        await caller.wait_for_answer(10)
        await caller.wait_for_event("turn", 10, accept=lambda event: event.data.get("turn") == 2)
        turns = [event.data for event in caller.engine_events if event.type == "turn" and event.data["stages"]]
        assert caller.ending is None
    assert [turn["caller"] for turn in turns] == ["noise", "what the second recogniser heard"]
    assert [len(str(turn["agent"]).split()) for turn in turns] == [14, 14], "every word of both answers was heard"
