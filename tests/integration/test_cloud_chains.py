"""Chains of cloud and embedded providers as the settings make them, through a replica's server and a call's client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from actors.phrases import PreparedAudio, prepare
from engine.audio.wav import read_wav, write_wav
from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, SynthesisError
from engine.speech.chain_recognizers import RecognizerChain
from engine.speech.chain_synthesizers import SynthesizerChain
from engine.speech.grpc_client import Channels, GrpcRecognizer, GrpcSynthesizer
from engine.speech.grpc_server import SpeechServer
from engine.speech.leases import FixedLeases
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.factory import make_recognizer, make_synthesizer
from engine.speech.providers.scripted import ScriptedSynthesizer
from ops import doctor
from ops.speech import recognise, say, speak, transcribe
from tests import google_server, openai_server
from tests.google_server import GoogleServer, google
from tests.openai_server import OpenAiServer, openai
from tests.toy_speech import spoken


def settings(folder: Path, cloud: GoogleServer | OpenAiServer, **more: str) -> Settings:
    if isinstance(cloud, GoogleServer):
        where = {
            "GOOGLE_STT_ENDPOINT": cloud.url,
            "GOOGLE_TTS_ENDPOINT": cloud.url,
            "GOOGLE_API_KEY": google_server.KEY,
            "GOOGLE_PROJECT": "shop",
        }
    else:
        where = {"OPENAI_SPEECH_URL": cloud.url, "OPENAI_SPEECH_KEY": openai_server.KEY}
    named = {"STATE_DIR": str(folder), "SCRIPTED_TEXTS": "the second heard this", "SCRIPTED_STT_MS": "0"}
    return load_settings({f"TRUNKLINE_{name}": value for name, value in (where | named | more).items()})


async def test_a_call_is_served_by_the_cloud_and_by_the_next_when_that_is_gone(tmp_path: Path) -> None:
    async with google() as cloud:
        chosen = settings(tmp_path, cloud, STT="google,scripted", TTS="google,scripted", STT_TIMEOUT_MS="2000")
        recogniser, voice = make_recognizer(chosen), make_synthesizer(chosen)
        server = SpeechServer(recognizer=recogniser, synthesizer=voice)
        for provider in (recogniser, voice):
            await provider.start()
            await provider.check_health()
        address = f"127.0.0.1:{await server.start('127.0.0.1')}"
        leases, channels = FixedLeases({"stt": address, "tts": address}), Channels()
        ear, mouth = GrpcRecognizer(leases, channels), GrpcSynthesizer(leases, channels)
        try:
            assert (await recognise(ear, Path("a"), spoken("four", "two"), "en")).text == "four two"
            first, _ = await speak(mouth, SynthesisRequest("Good morning."))
            await cloud.stop()
            assert (await recognise(ear, Path("b"), spoken("four", "two"), "en")).text == "the second heard this"
            second, _ = await speak(mouth, SynthesisRequest("Good evening."))
            again, _ = await speak(mouth, SynthesisRequest("Good morning."))
            await recogniser.check_health()  # a service of others that is gone makes no replica unwell
            await voice.check_health()
            with pytest.raises(SynthesisError):
                await speak(mouth, SynthesisRequest("Good night.", first_only=True))
        finally:
            await channels.close()
            await server.stop()
            for provider in (recogniser, voice):
                await provider.close()
    assert second == ScriptedSynthesizer().sound("Good evening.")
    assert first == again
    assert first != ScriptedSynthesizer().sound("Good morning.")


async def test_fixed_sentences_of_the_second_voice_are_not_found_as_the_first_ones(tmp_path: Path) -> None:
    async with openai() as cloud:
        voice = make_synthesizer(settings(tmp_path, cloud, TTS="openai,scripted"))
        await voice.start()
        await cloud.stop()
        request = SynthesisRequest("", first_only=True)
        how = {"spell": str, "identity": "first", "synthesizer": voice, "folder": tmp_path / "phrases"}
        with pytest.raises(SynthesisError):
            await prepare(["Hello."], request=request, **how)  # type: ignore[arg-type]
        assert not list(tmp_path.glob("phrases/*"))  # noqa: ASYNC240 - a test's own folder
        path = await prepare(["Hello."], request=SynthesisRequest(""), anew=True, **how)  # type: ignore[arg-type]
        await voice.close()
    assert PreparedAudio(path)["Hello."] == ScriptedSynthesizer().sound("Hello.")


def test_what_is_named_is_what_is_made(tmp_path: Path) -> None:
    cloud = OpenAiServer()
    cloud.url = "http://127.0.0.1:9/v1"
    one = settings(tmp_path, cloud, STT="openai", TTS="openai")
    assert isinstance(make_recognizer(one), RecognizerChain)
    assert isinstance(make_synthesizer(one), SynthesizerChain)
    with pytest.raises(ConfigurationError, match="embedded recogniser recognises English"):
        make_recognizer(settings(tmp_path, cloud, STT="openai,embedded", LANGUAGE="uk"))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"STT": "google,google"}, "each provider once"),
        ({"STT": "openai"}, "TRUNKLINE_OPENAI_KEY"),
        ({"STT": "google", "GOOGLE_API_KEY": "k"}, "TRUNKLINE_GOOGLE_PROJECT"),
        ({"TTS": "openai,festival"}, "TRUNKLINE_TTS"),
        ({"GOOGLE_TTS_ENDPOINT": "http://voices.example:80"}, "a port of this machine"),
    ],
)
def test_wrong_settings_are_refused_at_start(variables: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        load_settings({f"TRUNKLINE_{name}": value for name, value in variables.items()})
    assert "'k'" not in str(caught.value)


async def test_the_commands_use_what_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In threads, for they bring loops of their own."""
    wav, out = tmp_path / "in.wav", tmp_path / "out.wav"
    write_wav(wav, spoken("three", "one"))
    async with openai() as cloud:
        chosen = settings(tmp_path, cloud, STT="openai,scripted", TTS="openai,scripted", LLM="scripted")
        await asyncio.to_thread(transcribe, chosen, [wav], as_json=True)
        await asyncio.to_thread(say, chosen, "Hello there.", out)
        findings = await asyncio.to_thread(lambda: list(doctor.check_providers(chosen)))
        wrong = settings(tmp_path, cloud, STT="openai,scripted", TTS="scripted", LLM="scripted", OPENAI_SPEECH_KEY="no")
        told = await asyncio.to_thread(lambda: next(doctor.check_providers(wrong)))
    assert json.loads(capsys.readouterr().out.splitlines()[0])["text"] == "three one"
    assert read_wav(out)
    assert [(finding.check, finding.state) for finding in findings] == [
        ("recogniser", "ok"),
        ("recogniser", "ok"),
        ("voice", "ok"),
        ("voice", "ok"),
        ("chat model", "ok"),
    ]
    assert told.state == "broken"
    assert "TRUNKLINE_OPENAI_SPEECH_KEY" in told.detail


async def test_missing_credentials_are_told_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    chosen = load_settings({"TRUNKLINE_STT": "google,scripted", "TRUNKLINE_STATE_DIR": str(tmp_path)})
    recogniser = make_recognizer(chosen)
    with pytest.raises(ConfigurationError, match="no Google credentials"):
        await recogniser.start()
    await recogniser.close()
