"""``trunkline call`` against a stand-in engine."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from engine.audio.wav import read_wav
from engine.config import load_settings
from engine.errors import ConfigurationError
from ops.call import TurnResult, call_engine, place_call, turn_lines
from ops.exchange import ExchangeError
from tests.integration.standin_engine import Behaviour, StandinEngine

DEMO = Path(__file__).parents[2] / "ops" / "demo"
SAID = [(name, read_wav(DEMO / f"{name}.wav")) for name in ("goodbye", "yes_correct")]


async def test_says_each_file_and_tells_the_dialogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.call.ACCOUNT_SECONDS", 0.1)  # the stand-in tells nothing
    record = tmp_path / "call.wav"
    lines: list[str] = []
    async with StandinEngine(Behaviour(answer_after=0.4, answer=0.3)) as engine:
        result = await call_engine(
            engine.address, engine.url, SAID, caller="+15550100", record=record, tell=lines.append
        )
        assert engine.registered[result.call_id]["caller"] == "+15550100"
    assert result.answered
    assert result.ended_by == "caller"
    assert result.greeting_seconds == pytest.approx(0.1, abs=0.05)
    assert [turn.file for turn in result.turns] == ["goodbye", "yes_correct"]
    assert [turn.seconds for turn in result.turns] == pytest.approx([0.4, 0.4], abs=0.05)
    assert result.worst_gap < 0.1
    assert record.stat().st_size > 100_000
    assert lines[0].startswith("agent   (greeting")
    assert "caller  (goodbye)" in lines
    assert lines[-1] == f"recorded in {record}"


async def test_a_turn_without_an_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.call.ANSWER_SECONDS", 0.5)
    lines: list[str] = []
    async with StandinEngine(Behaviour(answers=0)) as engine:
        result = await call_engine(engine.address, engine.url, SAID[:1], tell=lines.append)
    assert not result.answered
    assert result.turns[0].seconds is None
    assert lines[-1] == "agent   (no answer: no voice within 0.5 s)"


async def test_the_engine_hangs_up_and_what_is_next_is_asked() -> None:
    async with StandinEngine(Behaviour(hang_up_at=1.6)) as engine:
        result = await call_engine(engine.address, engine.url, SAID, tell=lambda _line: None)
    assert result.ended_by == "engine"
    assert result.next == "hangup"
    assert not result.answered


async def test_a_dropped_call_is_a_failure() -> None:
    lines: list[str] = []
    async with StandinEngine(Behaviour(greeting_after=None, close_at=0.4)) as engine:
        result = await call_engine(engine.address, engine.url, SAID, tell=lines.append)
    assert not result.answered
    assert result.ended_by == "eof"
    assert lines == ["! no greeting: the call ended before voice (eof)"]


async def test_a_recording_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    async with StandinEngine() as engine:
        with pytest.raises(ConfigurationError, match="No such file or directory"):
            await call_engine(engine.address, engine.url, [], record=tmp_path / "no" / "x.wav", tell=lambda _line: None)


def test_no_engine_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings = load_settings({"TRUNKLINE_TELEPHONY_PORT": str(port)})
    with pytest.raises(ExchangeError, match=f"no engine answers at http://127.0.0.1:{port}"):
        place_call(settings, [DEMO / "goodbye.wav"])
    with pytest.raises(ConfigurationError, match=r"absent\.wav"):
        place_call(settings, [Path("absent.wav")])


def test_the_command_prints_json_and_exits_with_one_where_nothing_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(settings_of: list[int]) -> None:
        async with StandinEngine(Behaviour(hang_up_at=0.7)) as engine:
            settings = load_settings(
                {
                    "TRUNKLINE_AUDIOSOCKET_PORT": str(engine.address[1]),
                    "TRUNKLINE_TELEPHONY_PORT": engine.url.rpartition(":")[2],
                }
            )
            with pytest.raises(SystemExit) as caught:
                await asyncio.to_thread(place_call, settings, [DEMO / "goodbye.wav"], as_json=True)
            settings_of.append(int(str(caught.value.code)))

    codes: list[int] = []
    asyncio.run(run(codes))
    assert codes == [1]
    body = json.loads(capsys.readouterr().out)
    assert body["answered"] is False
    assert body["ended_by"] == "engine"


def test_a_turn_is_shown_with_its_stages() -> None:
    stages = {"endpointing": 0.5, "final_text": 0.21, "first_audio": 0.61, "on_the_wire": 0.612}
    assert turn_lines(TurnResult("a.wav", "Where is my order?", "It is on its way.", 0.64, stages)) == [
        "caller  Where is my order?",
        "agent   It is on its way.",
        "        first sound after 640 ms (endpointing 500 → final text 210 → first audio 610 → on the wire 612)",
    ]
