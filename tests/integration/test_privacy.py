"""Canaries in calls: a person who does not exist says everything about himself, and is then looked for everywhere.

Where personal data may be is declared in docs/privacy.md: in the memory of the processes that need it, in what a
supervisor asks for with a token, and in the records. In other files, logs, answers for everybody and metrics there is
none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from actors.journal import Journal
from actors.telephony import TelephonyRoutes
from engine.audio.wav import read_wav
from engine.config import Secret
from engine.privacy import Role, transcript_for
from engine.speech.cache import CachedSynthesizer
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.scripted import ScriptedSynthesizer
from ops.bench.engine_process import engine_process
from ops.caller import Caller
from ops.demonstration import FOLDER
from ops.exchange import Exchange
from tests.integration.canaries import CALLER, CANARIES, SAID, STORE_MESSAGE, found_in, found_under
from tests.integration.exchange.test_exchange import SAID as SPEECH
from tests.integration.exchange.test_exchange import Node

TOKEN = "a-token-of-the-test"


def test_the_search_finds_each_canary_in_each_form() -> None:
    names = [canary.name for canary in CANARIES]
    assert sorted({name for text in (*SAID, STORE_MESSAGE, CALLER) for name in found_in(text)}) == sorted(names)
    forms = (
        "050-446-82-15",
        "zero five zero four four six eight two one five",
        "0 5 0 4 4 6 8 2 1 5",
        "%2B380504468215",
    )
    assert [found_in(form) for form in forms] == [["the number he says"]] * len(forms)
    assert found_in("Q-U-I-S-T-G-A-A-R-D") == ["his last name"]
    assert found_in("4929-4212-3460-0821") == ["his card"]
    assert found_in("order 4271 of [name] at [phone], four 205/55 R16") == []


@dataclass
class Rig:
    """An exchange with one process whose stderr is kept, a careless store, and the endpoint that tells events."""

    node: Node
    url: str
    folder: Path
    orders_asked: list[str]

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.log").read_text()


@contextlib.asynccontextmanager
async def rig(*, leaky: bool = False) -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        node = Node(folder, capacity=2)
        node.open()
        asked: list[str] = []
        store = FastAPI()

        @store.get("/orders/search")
        async def search(phone: str) -> JSONResponse:
            asked.append(phone)
            return JSONResponse({"error": {"code": "blocked", "message": STORE_MESSAGE}}, 422)

        routes = TelephonyRoutes(
            registry=node.registry,
            journal=node.journal,
            token=Secret(TOKEN),
            status=lambda: {"status": "ok", "active": node.exchange.calls()},
            command=node.exchange.command,
        )
        async with served(store) as store_url, served(routes.app()) as url:
            with (folder / "stderr.log").open("wb") as stderr:
                node.processes.append(
                    await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "tests.integration.canary_process"),
                        *(str(folder / "ingress.sock"), store_url, *(["leaky"] if leaky else [])),
                        stderr=stderr,
                    )
                )
            try:
                await node.until(lambda: node.exchange.warm >= 1)
                yield Rig(node, url, folder, asked)
            finally:
                await node.close()


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none"))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def talk(running: Rig) -> str:
    """One call in which everything is said; its id."""
    caller = Caller(running.node.address, answer_gap=0.4)
    running.node.registry.announce(str(caller.call_id), caller=CALLER, channel=f"SIP/{CALLER}-01", dialled="0445550199")
    async with caller:
        await caller.wait_for_greeting(5)
        for _ in SAID:
            await caller.speak(SPEECH)
            await caller.wait_for_answer(10)
    await running.node.until(lambda: running.node.exchange.active == 0)
    return str(caller.call_id)


async def answers(url: str, call_id: str, query: str = "", token: str = TOKEN) -> str:
    """What the endpoint tells of an ended call."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(headers=headers) as session:
        texts = []
        for path in (f"/telephony/calls/{call_id}/events{query}", "/telephony/health", "/metrics"):
            async with session.get(url + path, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                texts.append(await answer.text())
        return "\n".join(texts)


async def test_no_canary_leaves_a_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with rig() as running:
        call_id = await talk(running)
        told = await answers(running.url, call_id)
        log = running.stderr
        assert running.orders_asked[0] == CALLER, "the store is asked for the caller's orders"
        assert found_under([running.folder]) == []
        assert found_in(told) == []
        assert found_in(log) == []
        assert found_in(caplog.text) == [], "the ingress side's own lines"
        assert found_in(repr(running.node.exchange.calls())) == []
        record = running.node.journal.get(call_id)
        assert record is not None
        for role in (Role.VIEWER, Role.AUDITOR):
            assert found_in(json.dumps(transcript_for(role, record.events))) == []

        # What was looked through is not empty, and says what it can say.
        events = [json.loads(line) for line in told.splitlines() if line.startswith('{"type"')]
        turns = [event for event in events if event["type"] == "turn"]
        assert turns[1]["caller"] == "My name is [name] and my phone is [phone]"
        assert turns[2]["caller"] == "I need four of product T-1042 and my number is [phone]"
        assert turns[1]["agent"].startswith("Thank you, [name].")
        assert any(event["type"] == "partial" for event in events)
        assert {"customer_name": "[name]", "customer_phone": "[phone]"}.items() <= next(
            event["arguments"].items() for event in events if event["type"] == "tool"
        )
        assert "the store refused" in log
        assert "no answer for [name]" in log


async def test_every_line_of_a_calls_process_carries_its_id() -> None:
    async with rig() as running:
        call_id = await talk(running)
        lines = [json.loads(line) for line in running.stderr.splitlines()]
        assert len(lines) >= len(SAID) * 2
        assert {line.get("call") for line in lines if line["logger"] != "asyncio"} == {call_id}
        assert "a.library" in {line["logger"] for line in lines}


async def test_who_may_see_everything_does() -> None:
    async with rig() as running:
        call_id = await talk(running)
        names = [canary.name for canary in CANARIES]
        assert found_in(await answers(running.url, call_id, "?view=full")) == names
        assert found_in(await answers(running.url, call_id, "?view=full", token="")) == []
        assert found_in(await answers(running.url, call_id, "?view=all")) == []
        record = running.node.journal.get(call_id)
        assert record is not None
        assert found_in(json.dumps(transcript_for(Role.SUPERVISOR, record.events))) == names


async def test_without_a_token_nobody_sees_everything() -> None:
    journal = Journal()
    journal.add("a", {"type": "turn", "caller": SAID[0], "agent": ""})
    journal.end("a")
    routes = TelephonyRoutes(
        registry=Node(Path(), 1).__dict__.get("registry"),  # type: ignore[arg-type]  # not asked here
        journal=journal,
        token=Secret(""),
        status=lambda: {"status": "ok"},
        command=lambda _call, _command: False,
    )
    async with served(routes.app()) as url:
        full = await answers(url, "a", "?view=full", token="")
        assert "TRUNKLINE_TELEPHONY_TOKEN" in full
        assert found_in(full) == []
        assert "[name]" in await answers(url, "a", token="")


async def test_a_leak_would_be_found() -> None:
    """The same call in a process whose log masks nothing."""
    async with rig(leaky=True) as running:
        await talk(running)
        found = {line.rpartition(": ")[2] for line in found_under([running.folder])}
        assert found == {canary.name for canary in CANARIES}


def found_files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_nothing_of_a_caller_is_kept_in_the_speech_cache(tmp_path: Path) -> None:
    """Sound is not searched: a sentence with a person in it is in no file at all, however often it is spoken."""
    voice = CachedSynthesizer(
        ScriptedSynthesizer(first_audio_seconds=0, pace=1000), identity="v", directory=tmp_path, memory_bytes=1 << 24
    )
    await voice.start()
    for text in (*SAID, f"Thank you. {STORE_MESSAGE}", "Thank you for calling."):
        for call in ("first", "second", ""):
            async for _ in voice.synthesize(SynthesisRequest(text, call_id=call)):
                pass
    await voice.close()
    (kept,) = found_files(tmp_path)
    name, _, kind = kept.partition(".")
    assert (len(bytes.fromhex(name)), kind) == (32, "speech"), "a digest, and the one sentence that is nobody's"


SETTINGS = {
    "TRUNKLINE_STT": "scripted",
    "TRUNKLINE_TTS": "scripted",
    "TRUNKLINE_SPEECH_SPEED": "2",  # what is said is not listened to, and takes half the time
    "TRUNKLINE_LLM": "policy",
    "TRUNKLINE_CAPACITY": "1",
    "TRUNKLINE_POOL_SPARE": "1",
    "TRUNKLINE_POOL_READY": "1",
    "TRUNKLINE_LOG_LEVEL": "debug",
    "TRUNKLINE_SCRIPTED_TEXTS": "|".join((*SAID, "where is my order four two seven one")),
}


@dataclass
class WholeCall:
    """What was to be seen of a call through the whole engine."""

    events: list[dict[str, object]]
    told: str
    under_way: list[str]
    """Canaries in files while the engine ran."""
    kept: list[str]
    """Canaries in the outbox."""


def kept_places(folder: Path) -> list[Path]:
    """Where personal data is on purpose (docs/privacy.md): what is not written yet, and the database."""
    return [folder / "state" / "outbox", folder / "state" / "postgres" / "data"]


async def call_the_whole_engine(folder: Path) -> WholeCall:
    """Start the engine with all that it writes under ``folder``, say everything in one call, end it."""
    kept = {"RAY_TMPDIR": "ray", "TMPDIR": "tmp", "TRUNKLINE_STATE_DIR": "state"}
    for part in kept.values():
        (folder / part).mkdir()
    variables = {variable: str(folder / part) for variable, part in kept.items()}
    speech = read_wav(FOLDER / "order_status.wav")
    async with (
        engine_process(SETTINGS | variables, stderr=folder / "stderr.log") as engine,
        Exchange(engine.telephony) as exchange,
        aiohttp.ClientSession() as session,
    ):
        async with Caller(engine.address, exchange, caller=CALLER, follow=True) as caller:
            await caller.wait_for_greeting(10)
            for turn in range(1, len(SAID) + 2):
                await caller.speak(speech)
                await caller.wait_for_answer(15)
                if caller.ending is not None:
                    break
                await caller.wait_for_event("turn", 10, accept=lambda event, turn=turn: event.data.get("turn") == turn)  # type: ignore[misc]
        told = []
        for path in ("/telephony/health", "/metrics", f"/telephony/calls/{caller.call_id}/events"):
            async with session.get(engine.telephony + path) as answer:
                told.append(await answer.text())
        await asyncio.sleep(1)  # logs are written by others
        places = kept_places(folder)
        return WholeCall(
            [event.data for event in caller.engine_events],
            "\n".join(told),
            found_under([folder], but=places),
            found_under(places[:1]),
        )


@pytest.mark.timeout(300)
def test_no_canary_is_in_any_file_of_the_whole_engine() -> None:
    """Ray, Serve, the demonstration store, logs of all processes: on Ray, as a user starts it."""
    with tempfile.TemporaryDirectory(prefix="tl", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root, PostgreSQL is another user's, who must come through
        seen = asyncio.run(call_the_whole_engine(folder))
        assert any("[phone]" in str(event.get("caller")) for event in seen.events)
        assert "get_order_status" in {event.get("name") for event in seen.events}, "the shop heard the caller's number"
        assert found_in(seen.told) == []
        assert found_in(str(seen.events)) == []
        assert list(folder.glob("ray/ray/session_*/logs/*")), "Ray's logs were looked through"
        assert (folder / "stderr.log").stat().st_size > 0
        assert seen.under_way == []
        assert found_under([folder], but=kept_places(folder)) == []
        assert seen.kept, "what a call's records are for is in them"
        assert not [path for path in kept_places(folder) if path.stat().st_mode & 0o077], "for their owner alone"
        for path in (folder / "state" / "outbox").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
