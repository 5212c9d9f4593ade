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

from engine.config.sections import Settings
from engine.config.setting import PREFIX, Declared, Secret, declared
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
                shown = "a secret, not shown" if isinstance(one.default, Secret) else repr(text)
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
        return str(Path(value).expanduser().absolute())
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
    names: dict[int, str] = {}
    for field in ("audiosocket_port", "telephony_port", "admin_port"):
        port, variable = getattr(network, field), PREFIX + field.upper()
        if port and port in names:
            yield f"{variable}: got {port}, expected another port than {names[port]}"
        names[port] = variable
