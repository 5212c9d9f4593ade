"""From settings to providers. Each is imported only where it is asked for: a process pays for what it uses."""
# ruff: noqa: PLC0415 - that is what the imports inside the functions are for

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.agent.ports import ChatModel
from engine.config import Settings, provider_names, remote_target
from engine.errors import ConfigurationError
from engine.speech.ports import SpeechRecognizer, SpeechSynthesizer
from engine.speech.providers.speech_members import (
    cached,
    chain_recognizers,
    chain_synthesizers,
    is_cached,
    is_outside,
    make_one_recognizer,
    make_one_synthesizer,
    needs_chain,
    voice_identity,
)

if TYPE_CHECKING:
    from engine.breaker import Breakers
    from engine.knowledge.assembly import Library

__all__ = [
    "is_outside",
    "make_breakers",
    "make_library",
    "make_model",
    "make_one_model",
    "make_one_recognizer",
    "make_one_synthesizer",
    "make_recognizer",
    "make_synthesizer",
    "voice_identity",
]

_HOSTED: Final = frozenset({"openai", "anthropic"})
"""Chat models that are services of others."""


def make_recognizer(settings: Settings) -> SpeechRecognizer:
    """The recogniser that ``TRUNKLINE_STT`` names, not started; a chain where it names several or a cloud's.

    Raises ConfigurationError where one does not recognise the language of the dialogue.
    """
    names = provider_names(settings.speech.stt)
    if needs_chain(names):
        return chain_recognizers(names, settings, make_breakers(settings))
    return make_one_recognizer(names[0], settings)


def make_synthesizer(settings: Settings) -> SpeechSynthesizer:
    """The voice that ``TRUNKLINE_TTS`` names, not started, cached where it computes or costs; a chain where it names
    several or a cloud's.

    Raises ConfigurationError where one does not speak the language of the dialogue.
    """
    names = provider_names(settings.speech.tts)
    if needs_chain(names):
        return chain_synthesizers(names, settings, make_breakers(settings))
    voice = make_one_synthesizer(names[0], settings)
    return cached(voice, names[0], settings) if is_cached(names[0]) else voice


def make_model(settings: Settings, *, wall: Callable[[], float] = time.time) -> ChatModel:
    """The chat model that ``TRUNKLINE_LLM`` names, not started; a chain where it names several or one outside.

    Raises ConfigurationError where a package is not installed.
    """
    names = settings.speech.llm.split(",")
    if len(names) == 1 and names[0] not in _HOSTED:
        return make_one_model(names[0], settings, wall=wall)
    from engine.speech.chain import Member, breaker_name
    from engine.speech.chain_models import ModelChain, counts_against_it

    breakers = make_breakers(settings)
    members: list[Member[ChatModel]] = []
    for name in names:
        model = make_one_model(name, settings, wall=wall)
        if is_outside(name):
            breaker = breakers.named(breaker_name("llm", name), counts=counts_against_it)
            members.append(Member(name, model, breaker, outside=True))
        else:
            members.append(Member(name, model))
    return ModelChain(members)


def make_breakers(settings: Settings) -> Breakers:
    """The breakers of providers outside, shared by the processes of this machine, and so by all its calls."""
    from engine.breaker import Breakers

    chains = settings.chains
    return Breakers(settings.paths.breakers, failures=chains.breaker_failures, half_open_after=chains.breaker_open_s)


def make_one_model(name: str, settings: Settings, *, wall: Callable[[], float] = time.time) -> ChatModel:
    """The chat model of this name, by itself: what it fails at is told. Not started."""
    if target := remote_target(name):
        from engine.speech.providers.remote import RemoteChatModel

        return RemoteChatModel(target)
    if name in _HOSTED:
        return _hosted_model(name, settings)
    if name == "scripted":
        from engine.agent.scripted import ScriptedModel

        scripted = settings.scripted
        return ScriptedModel(
            first_token_seconds=scripted.first_token_ms / 1000,
            tokens_per_second=scripted.tokens_per_second,
            reply_words=scripted.reply_words,
        )
    from engine.agent.playbooks import playbook_names
    from engine.agent.policy import PolicyModel

    always = settings.dialogue.opening_hours == "always"
    return PolicyModel(playbook_names(settings.dialogue.playbook), wall=wall, always_open=always)


def make_library(settings: Settings) -> Library | None:
    """The knowledge served beside the chat model, not started; None beside one that answers nothing."""
    if settings.speech.llm == "scripted":
        return None
    from engine.agent.playbooks import playbook_names
    from engine.clock import LoopClock
    from engine.knowledge.assembly import Library

    return Library(settings, playbook_names(settings.dialogue.playbook), LoopClock())


def _hosted_model(name: str, settings: Settings) -> ChatModel:
    try:
        if name == "anthropic":
            from engine.speech.providers.anthropic_chat import AnthropicChatModel

            return AnthropicChatModel(settings.anthropic)
        from engine.speech.providers.openai_chat import OpenAiChatModel
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"TRUNKLINE_LLM names `{name}`, whose package is not installed ({error.name}): "
            f"run `make setup`, or install `trunkline[{name}]`"
        ) from error
    chat, account = settings.openai_chat, settings.openai
    # A server of its own gets its own key, or none: never the one for another.
    url, key = (chat.url, chat.key) if chat.url else (account.url, account.key)
    return OpenAiChatModel(chat, url=url, key=key)
