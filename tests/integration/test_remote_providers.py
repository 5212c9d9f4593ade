"""Providers named by address: a real server on loopback, reached through what the settings make."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine.agent.ports import ChatDone, ChatRequest, Message, TextDelta
from engine.agent.scripted import ScriptedModel
from engine.config import Settings, load_settings
from engine.errors import ModelError, RecognitionError, SynthesisError
from engine.speech.grpc_server import SpeechServer
from engine.speech.ports import SynthesisRequest
from engine.speech.providers import remote
from engine.speech.providers.factory import make_model, make_recognizer, make_synthesizer
from engine.speech.providers.scripted import ScriptedRecognizer, ScriptedSynthesizer
from ops.speech import recognise, speak


def at(address: str) -> Settings:
    target = f"grpc://{address}"
    return load_settings({"TRUNKLINE_STT": target, "TRUNKLINE_TTS": target, "TRUNKLINE_LLM": target})


async def test_what_is_named_by_address_answers_like_what_runs_there() -> None:
    voice = ScriptedSynthesizer(first_audio_seconds=0)
    server = SpeechServer(
        recognizer=ScriptedRecognizer(flush_seconds=0, texts=("good morning",)),
        synthesizer=voice,
        model=ScriptedModel(first_token_seconds=0, tokens_per_second=1000, reply_words=4),
    )
    port = await server.start("127.0.0.1")
    settings = at(f"127.0.0.1:{port}")
    recogniser, synthesiser, model = make_recognizer(settings), make_synthesizer(settings), make_model(settings)
    try:
        for provider in (recogniser, synthesiser, model):
            await provider.start()
            await provider.check_health()
        found = await recognise(recogniser, Path("one.wav"), bytes(3200), "en")
        pcm, _ = await speak(synthesiser, SynthesisRequest("hello there"))
        deltas = [delta async for delta in model.chat(ChatRequest((Message("user", "hello"),)))]
    finally:
        for provider in (recogniser, synthesiser, model):
            await provider.close()
        await server.stop()
    assert found.text == "good morning"
    assert pcm == voice.sound("hello there")
    assert sum(isinstance(delta, TextDelta) for delta in deltas) == 4
    assert isinstance(deltas[-1], ChatDone)


async def test_an_address_where_nobody_listens_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "REACH_SECONDS", 0.2)
    with socket.socket() as bound:  # bound and not listening: connections are refused, and nobody else can take it
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        settings = at(address)
        for provider, error, noun in (
            (make_recognizer(settings), RecognitionError, "recogniser"),
            (make_synthesizer(settings), SynthesisError, "voice"),
            (make_model(settings), ModelError, "chat model"),
        ):
            with pytest.raises(error, match=f"no {noun} answers at {address}"):
                await provider.check_health()
            await provider.close()
