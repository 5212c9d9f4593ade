"""From environment variables to settings, or to one error that names each wrong variable."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from engine.config.hosted import LONGEST_WAIT, OPENAI_URL
from engine.config.sections import Settings, provider_names
from engine.config.setting import PREFIX, Declared, Secret, declared
from engine.config.terms import faults_of
from engine.errors import ConfigurationError


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from ``environ`` (the process's own where None); an empty variable counts as one that is not set.

    Raises ConfigurationError that lists every wrong variable with its value and what was expected, and every variable
    with our prefix that nobody knows.
    """
    given = os.environ if environ is None else environ
    faults: list[str] = []
    sections: dict[str, Any] = {}
    for name, section in section_classes().items():
        values = {}
        hints = _hints(section)
        for one in declared(section):
            text = given.get(one.variable, "")
            try:
                values[one.field] = _resolved(_parse(text, hints[one.field], one) if text else one.default, one)
            except ValueError:
                secret = isinstance(one.default, Secret) or ("://" in text and "@" in text)  # a password in a URL
                shown = "a secret, not shown" if secret else repr(text)
                faults.append(f"{one.variable}: got {shown}, expected {expected(one)}")
        if len(values) == len(hints):
            sections[name] = section(**values)
    faults += _unknown(given)
    settings = Settings(**sections)  # a section with a fault has its defaults: what conflicts is found all the same
    if not given.get("TRUNKLINE_POOL_READY"):
        settings = _ready_within_pool(settings)
    faults += _conflicts(settings)
    if faults:
        noun = "setting is" if len(faults) == 1 else "settings are"
        raise ConfigurationError("\n".join([f"{len(faults)} {noun} wrong:", *(f"  {fault}" for fault in faults)]))
    return settings


def section_classes() -> dict[str, type[Any]]:
    """The classes of settings by the name they have in ``Settings``."""
    hints = typing.get_type_hints(Settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(Settings)}


def all_declared() -> Iterator[Declared]:
    """Every setting, in order."""
    for section in section_classes().values():
        yield from declared(section)


def expected(one: Declared) -> str:
    """What a right value looks like, in words."""
    if one.rule.expected:
        return one.rule.expected
    hint = _hints(one.section)[one.field]
    if typing.get_origin(hint) is Literal:
        return _one_of([f"`{choice}`" for choice in typing.get_args(hint)])
    if hint is bool:
        return "`true` or `false`"
    if hint in (int, float):
        return _number(one, "a whole number" if hint is int else "a number")
    return "a text"


def _number(one: Declared, noun: str) -> str:
    low, high = one.rule.at_least, one.rule.at_most
    limits = f" from {low:g}" if low is not None else ""
    if high is not None:
        limits += f" to {high:.0f}" if high >= 1 else f" to {high:g}"
    elif limits:
        limits += " up"
    unit = f" ({one.rule.unit})" if one.rule.unit else ""
    return noun + limits + unit


def _one_of(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _hints(section: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(section)


def _parse(text: str, hint: Any, one: Declared) -> Any:
    """Raises ValueError."""
    rule = one.rule
    if hint is Secret:
        if rule.pattern and not re.fullmatch(rule.pattern, text):
            raise ValueError
        return Secret(text)
    if typing.get_origin(hint) is tuple:
        return tuple(part.strip() for part in text.split("|") if part.strip())
    if typing.get_origin(hint) is types.UnionType:  # an optional path; what is empty never comes here
        hint = Path
    if rule.pattern and not re.fullmatch(rule.pattern, text):
        raise ValueError(text)
    limits = Field(ge=rule.at_least, le=rule.at_most) if hint in (int, float) else Field()
    try:
        return TypeAdapter(Annotated[hint, limits]).validate_python(text)
    except ValidationError as error:
        raise ValueError(text) from error


def _resolved(value: Any, one: Declared) -> Any:
    """Absolute paths: the processes of Ray have working directories of their own."""
    if one.rule.path_with_slash and "/" in value:
        paths = (str(Path(each).expanduser().absolute()) if "/" in each else each for each in value.split("|"))
        return "|".join(paths)
    return value.expanduser().absolute() if isinstance(value, Path) else value


def _ready_within_pool(settings: Settings) -> Settings:
    """The default of the processes awaited at start, held within a pool that was set smaller."""
    pool = settings.pool
    pool = dataclasses.replace(pool, ready=min(pool.ready, pool.capacity + pool.spare))
    return dataclasses.replace(settings, pool=pool)


def _unknown(given: Mapping[str, str]) -> Iterator[str]:
    known = [one.variable for one in all_declared()]
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            yield f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _conflicts(settings: Settings) -> Iterator[str]:
    """Values that are right each by itself, and wrong together."""
    dialogue, pool, network = settings.dialogue, settings.pool, settings.network
    if dialogue.pause_ms >= dialogue.endpointing_ms:
        yield (
            f"TRUNKLINE_PAUSE_MS: got {dialogue.pause_ms}, expected less than "
            f"TRUNKLINE_ENDPOINTING_MS ({dialogue.endpointing_ms})"
        )
    if pool.ready > pool.capacity + pool.spare:
        yield (
            f"TRUNKLINE_POOL_READY: got {pool.ready}, expected at most TRUNKLINE_CAPACITY + TRUNKLINE_POOL_SPARE "
            f"({pool.capacity + pool.spare})"
        )
    retention = settings.retention
    if retention.text_days > retention.metadata_days:
        yield (
            f"TRUNKLINE_RETENTION_TEXT_DAYS: got {retention.text_days}, expected at most "
            f"TRUNKLINE_RETENTION_METADATA_DAYS ({retention.metadata_days})"
        )
    yield from faults_of(retention, settings.terms)
    yield from _chain_of_models(settings)
    yield from _chains_of_speech(settings)
    names: dict[int, str] = {}
    for field in ("audiosocket_port", "telephony_port", "admin_port"):
        port, variable = getattr(network, field), PREFIX + field.upper()
        if port and port in names:
            yield f"{variable}: got {port}, expected another port than {names[port]}"
        names[port] = variable


def _chain_of_models(settings: Settings) -> Iterator[str]:
    chain = settings.speech.llm
    members = chain.split(",")
    if len(set(members)) < len(members):
        yield f"TRUNKLINE_LLM: got {chain!r}, expected each model once"
    yield from _missing_of_models(settings, members)
    waits = {"openai": settings.openai_chat.first_s, "anthropic": settings.anthropic.first_s}
    total = sum(waits.get(member, 0) for member in set(members))
    longest = min(LONGEST_WAIT, 0.46 * settings.dialogue.llm_timeout_ms / 1000)  # the agent may ask twice within it
    if total > longest:
        yield (
            f"TRUNKLINE_OPENAI_CHAT_FIRST_S and TRUNKLINE_ANTHROPIC_FIRST_S: got {total:g} s together, expected at "
            f"most {longest:g} (TRUNKLINE_LLM_TIMEOUT_MS is for two tries): a caller waits for all of a chain"
        )


def _missing_of_models(settings: Settings, members: list[str]) -> Iterator[str]:
    """What a model that is named needs and does not have."""
    chat, claude = settings.openai_chat, settings.anthropic
    if "openai" in members:
        if not chat.model:
            yield "TRUNKLINE_OPENAI_CHAT_MODEL: got nothing, expected the model's name: TRUNKLINE_LLM names `openai`"
        if not chat.url and settings.openai.url == OPENAI_URL and not settings.openai.key:
            yield (
                "TRUNKLINE_OPENAI_KEY: got nothing, expected an API key: TRUNKLINE_LLM names `openai`, and OpenAI asks "
                "for one (a server of your own goes into TRUNKLINE_OPENAI_CHAT_URL)"
            )
    if "anthropic" in members:
        if not claude.model:
            yield "TRUNKLINE_ANTHROPIC_MODEL: got nothing, expected the model's name: TRUNKLINE_LLM names `anthropic`"
        if not claude.key:
            yield "TRUNKLINE_ANTHROPIC_KEY: got nothing, expected an API key: TRUNKLINE_LLM names `anthropic`"


def _chains_of_speech(settings: Settings) -> Iterator[str]:
    recognisers, voices = provider_names(settings.speech.stt), provider_names(settings.speech.tts)
    for variable, named in (("STT", recognisers), ("TTS", voices)):
        if len(set(named)) < len(named):
            yield f"{PREFIX}{variable}: got {','.join(named)!r}, expected each provider once"
    using = " and ".join(
        f"TRUNKLINE_{variable}" for variable, named in (("STT", recognisers), ("TTS", voices)) if "openai" in named
    )
    openai = settings.openai
    if using and not settings.openai_speech.url and openai.url == OPENAI_URL and not openai.key:
        yield (
            f"TRUNKLINE_OPENAI_KEY: got nothing, expected an API key: {using} names `openai`, and OpenAI asks for one "
            "(a server of your own goes into TRUNKLINE_OPENAI_SPEECH_URL)"
        )
    if "google" in recognisers and settings.google.api_key and not settings.google.project:
        yield (
            "TRUNKLINE_GOOGLE_PROJECT: got nothing, expected the project's id: TRUNKLINE_STT names `google`, and a key "
            "does not say whose it is"
        )
