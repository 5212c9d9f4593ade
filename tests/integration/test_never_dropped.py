"""No outside failure ends a call: each row of the failure table forced on the whole engine, with sound.

The recogniser, the voice and the model that the engine is told of are servers of the speech contract in this process,
which fail when they are told to. What the caller hears then is read by the embedded recogniser.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio

from engine.agent.policy import PolicyModel
from engine.agent.ports import ChatDelta, ChatRequest
from engine.audio.wav import read_wav
from engine.errors import ModelError, RecognitionError, SynthesisError
from engine.speech.grpc_server import SpeechServer
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.piper import PiperSynthesizer
from ops.bench.engine_process import Engine, engine_process
from ops.caller import Caller
from ops.demonstration import FOLDER
from ops.exchange import Exchange
from tests.ports import free_port
from tests.records_stage import WITHOUT_RECORDS

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module"), pytest.mark.embedded]

HICCUP_SECONDS = 0.03


@dataclass
class Faults:
    """What fails now, for which call: "gone" answers with an error, "stuck" does not answer at all, "hiccup" is gone
    for a moment."""

    now: dict[tuple[str, str], str] = field(default_factory=dict)
    """By the call's id and the part of the engine that fails it."""
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each was asked while it failed."""
    well_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each is over its hiccup, which begins with the first request."""

    async def meet(self, call_id: str, part: str, error: Exception) -> None:
        """Fail as told."""
        fault = self.now.get((call_id, part))
        if fault is None or (fault == "hiccup" and not self._hiccups(call_id, part)):
            return
        self.asked[call_id, part] += 1
        if fault == "stuck":
            await asyncio.sleep(3600)
        raise error

    def _hiccups(self, call_id: str, part: str) -> bool:
        now = asyncio.get_running_loop().time()
        return now < self.well_at.setdefault((call_id, part), now + HICCUP_SECONDS)


class FailingRecognizer(MoonshineRecognizer):
    """The embedded recogniser, until it is told to fail."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        await self.faults.meet(options.call_id, "stt", RecognitionError("told to fail"))
        async with super().open(options) as session:
            yield _FailingSession(session, self.faults, options.call_id)


class _FailingSession:
    def __init__(self, inner: RecognitionSession, faults: Faults, call_id: str) -> None:
        self._inner = inner
        self._faults = faults
        self._call_id = call_id
        self.begin, self.audio, self.end, self.results = inner.begin, inner.audio, inner.end, inner.results

    async def flush(self, flush: int) -> None:
        await self._faults.meet(self._call_id, "stt", RecognitionError("told to fail"))
        await self._inner.flush(flush)


class FailingVoice(PiperSynthesizer):
    """The embedded voice, until it is told to fail."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self.faults = faults

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        await self.faults.meet(request.call_id, "tts", SynthesisError("told to fail"))
        async for chunk in super().synthesize(request):
            yield chunk


class FailingModel(PolicyModel):
    """The rules, until they are told to fail."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(always_open=True)
        self.faults = faults

    async def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:  # type: ignore[override]
        await self.faults.meet(request.call_id, "llm", ModelError("told to fail"))
        async for delta in super().chat(request):
            yield delta


@dataclass
class House:
    """The engine and what it depends on."""

    engine: Engine
    faults: Faults
    reader: MoonshineRecognizer
    store: str
    """URL of the demonstration store."""

    async def store_fails(self, **fault: object) -> None:
        """Switch a fault of the store on, or all off."""
        headers = {"Authorization": "Bearer switch"}
        async with (
            aiohttp.ClientSession() as session,
            session.put(f"{self.store}/__faults", json=fault, headers=headers) as answer,
        ):
            assert answer.status == 200

    async def read(self, pcm: bytes) -> str:
        """What the caller heard, in lower-case words."""
        async with self.reader.open(RecognitionOptions("reader")) as session:
            await session.begin(1)
            await session.audio(pcm[-16 * 12000 :])
            await session.flush(1)
            async for transcript in session.results():
                if transcript.flush == 1:
                    return transcript.text.lower()
        return ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    faults = Faults()
    recognizer, voice, model = FailingRecognizer(faults), FailingVoice(faults), FailingModel(faults)
    reader = MoonshineRecognizer()
    for provider in (recognizer, voice, model, reader):
        await provider.start()
    server = SpeechServer(recognizer=recognizer, synthesizer=voice, model=model)
    port = free_port()
    target = f"grpc://127.0.0.1:{await server.start('127.0.0.1')}"
    settings = {
        "TRUNKLINE_STATE_DIR": str(tmp_path_factory.mktemp("state")),
        "TRUNKLINE_STT": target,
        "TRUNKLINE_TTS": target,
        "TRUNKLINE_LLM": target,
        "TRUNKLINE_CAPACITY": "3",
        "TRUNKLINE_STT_TIMEOUT_MS": "2000",
        "TRUNKLINE_LLM_TIMEOUT_MS": "2500",
        "TRUNKLINE_TTS_TIMEOUT_MS": "2000",
        "TRUNKLINE_OPENING_HOURS": "always",
        "TRUNKLINE_ADMIN_PORT": str(port),
        "TRUNKLINE_STORE_TOKEN": "shop",
        "TRUNKLINE_STORE_DEMO_ADMIN_TOKEN": "switch",
    }
    async with engine_process(settings | WITHOUT_RECORDS) as running:
        yield House(running, faults, reader, f"http://127.0.0.1:{port}/store")
    await server.stop()
    for provider in (recognizer, voice, model, reader):
        await provider.close()


SPEECH = read_wav(FOLDER / "opening_hours.wav")


@asynccontextmanager
async def a_call(house: House) -> AsyncIterator[tuple[Caller, Exchange]]:
    """A call that was greeted."""
    async with (
        Exchange(house.engine.telephony) as exchange,
        Caller(house.engine.address, exchange, follow=True) as caller,
    ):
        await caller.wait_for_greeting(15)
        yield caller, exchange


def heard_by(caller: Caller, after: int = 0) -> bytes:
    """What came to the caller, all but the first bytes."""
    return b"".join(caller.heard.frames)[after:]


async def loses(house: House, part: str, reason: str, fault: str) -> bytes:
    """A call that loses a part and is led to the operator; what the caller heard from then on."""
    async with a_call(house) as (caller, exchange):
        house.faults.now[str(caller.call_id), part] = fault
        await caller.speak(SPEECH)
        before = len(heard_by(caller))
        assert await caller.wait_for_end(20) == "engine"
        assert await exchange.next_step(str(caller.call_id)) == "operator"
        assert [event.data["what"] for event in caller.engine_events if event.type == "failure"] == [reason]
        assert max(caller.heard.gaps()) < 0.5, "the line was never silent in the way of a dead one"
        asked = house.faults.asked[str(caller.call_id), part]
        assert asked >= (2 if part == "llm" else 1), "a model is asked once more before it is given up"
        return heard_by(caller, before)


@pytest.mark.parametrize("fault", ["gone", "stuck"])
async def test_a_lost_model_is_apologised_for_and_leads_to_the_operator(house: House, fault: str) -> None:
    """Three calls at once, each without another of the three."""
    parts = {"stt": "recognition", "llm": "model", "tts": "synthesis"}
    async with asyncio.TaskGroup() as group:
        calls = {part: group.create_task(loses(house, part, reason, fault)) for part, reason in parts.items()}
    for part, call in calls.items():
        heard = await house.read(call.result())
        assert "sorry" in heard, (part, heard)
        assert "connect" in heard, (part, heard)


async def hiccups(house: House, part: str) -> bytes:
    """A call in which a part fails for a moment; what the caller heard."""
    async with a_call(house) as (caller, _):
        house.faults.now[str(caller.call_id), part] = "hiccup"
        await caller.speak(SPEECH)
        answer = await caller.wait_for_answer(15)
        assert house.faults.asked[str(caller.call_id), part] >= 1
        assert answer.latency > 0
        assert caller.ending is None
        return heard_by(caller)


async def test_what_fails_for_a_moment_is_not_noticed(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        calls = {part: group.create_task(hiccups(house, part)) for part in ("stt", "llm", "tts")}
    for part, call in calls.items():
        heard = await house.read(call.result())
        assert "open" in heard or "monday" in heard or "saturday" in heard, (part, heard)


ORDER = read_wav(FOLDER / "order_status.wav")


async def turn(house: House, caller: Caller, speech: bytes) -> str:
    """Say it; what is answered, as the caller hears it."""
    before, seen = len(caller.heard.frames), len(caller.engine_events)
    await caller.speak(speech)
    await caller.wait_for_event("turn", 20, since=seen, accept=lambda event: bool(event.data["stages"]))
    return await house.read(b"".join(caller.heard.frames[before:]))


async def test_a_slow_store_is_waited_for_with_a_word(house: House) -> None:
    try:
        async with a_call(house) as (caller, _):
            await house.store_fails(mode="slow", delay=2.5)
            heard = await turn(house, caller, ORDER)
            assert "look" in heard, heard
            assert "way" in heard, heard
            assert caller.ending is None
    finally:
        await house.store_fails(mode="none")


async def without_the_store(house: House, fault: dict[str, object], told: asyncio.Event) -> None:
    """A call that finds the store lost and goes on. ``told`` once it was told so: the fault may change then."""
    async with a_call(house) as (caller, exchange):
        await house.store_fails(**fault)
        heard = await turn(house, caller, ORDER)
        told.set()
        assert "sorry" in heard, heard
        assert "connect" in heard or "call" in heard, heard
        heard = await turn(house, caller, SPEECH)
        assert "monday" in heard or "saturday" in heard, heard
        assert caller.ending is None
        await caller.speak(read_wav(FOLDER / "operator.wav"))
        assert await caller.wait_for_end(20) == "engine"
        assert await exchange.next_step(str(caller.call_id)) == "operator"
        failed = [event.data["error"] for event in caller.engine_events if event.type == "tool"]
        assert "store_unavailable" in failed
        assert max(caller.heard.gaps()) < 0.5


async def test_a_lost_store_is_said_and_the_call_goes_on(house: House) -> None:
    """Each call goes on while the next one meets the next fault."""
    try:
        async with asyncio.TaskGroup() as group:
            for mode in ("disconnect", "500", "bad_json"):
                told = asyncio.Event()
                group.create_task(without_the_store(house, {"mode": mode}, told))
                await told.wait()
    finally:
        await house.store_fails(mode="none")


async def test_the_next_call_after_a_failure_is_as_any_other(house: House) -> None:
    async with a_call(house) as (caller, _):
        await caller.speak(SPEECH)
        await caller.wait_for_answer(15)
        await caller.wait_for_event("turn", 5, accept=lambda event: event.data.get("turn") == 1)
        assert caller.ending is None


async def test_beyond_capacity_the_call_goes_to_the_operator_at_once(house: House) -> None:
    async with a_call(house), a_call(house), a_call(house) as (third, exchange):
        late = Caller(house.engine.address, exchange)
        async with late:
            assert await late.wait_for_end(3) == "engine"
            assert await exchange.next_step(str(late.call_id)) == "operator"
        await third.speak(SPEECH)
        await third.wait_for_answer(15)
