"""A tool's argument as a playbook writes it in YAML.

- name: date
  kind: date
  description: the day, as 2026-11-28
  evidence: date
  read_back: true
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, Protocol, get_args

from engine.agent.arguments import Argument, Kind
from engine.agent.grounding import Evidence
from engine.agent.said import Offered
from engine.errors import ConfigurationError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KINDS: Final = get_args(Kind)
_EVIDENCE: Final = {evidence.value: evidence for evidence in Evidence}
_REQUIRED: Final = ("name", "kind", "description")
_KNOWN: Final = frozenset(
    {
        *_REQUIRED, "evidence", "required", "choices", "minimum", "maximum", "pattern", "words", "offered", "strict",
        "read_back", "spoken_as",
    }
)  # fmt: skip


class YamlSource(Protocol):
    """A YAML file that knows the line of each key."""

    def wrong(self, key: str, expected: str) -> ConfigurationError:
        """The error that names file, line and key."""

    def text_of(self, value: Any, key: str, *, empty: bool = False) -> str:
        """Raises ConfigurationError."""

    def texts(self, value: Any, key: str) -> tuple[str, ...]:
        """Raises ConfigurationError."""


def mapping_of(source: YamlSource, value: Any, key: str, known: frozenset[str], required: tuple[str, ...]) -> Any:
    """A mapping with these keys and no others. Raises ConfigurationError."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise source.wrong(key, "expected a mapping")
    for name in value:
        if name not in known:
            raise source.wrong(f"{key}.{name}", f"unknown key (known: {', '.join(sorted(known))})")
    for name in required:
        if name not in value:
            raise source.wrong(key, f"{name} is missing")
    return value


def flag_of(source: YamlSource, data: Mapping[str, Any], name: str, key: str, *, default: bool = False) -> bool:
    """A flag of a mapping. Raises ConfigurationError."""
    value = data.get(name, default)
    if not isinstance(value, bool):
        raise source.wrong(f"{key}.{name}", "expected true or false")
    return value


def name_of(source: YamlSource, value: Any, key: str) -> str:
    """A name of a tool or an argument. Raises ConfigurationError."""
    name = source.text_of(value, key)
    if not _NAME.fullmatch(name):
        raise source.wrong(key, "expected a name of small letters, digits and _")
    return name


def read_argument(source: YamlSource, value: Any, key: str) -> Argument:
    """One argument. Raises ConfigurationError that names file, line and key of a mistake.

    ``key`` is where it stands in the file, such as ``http.tools.0.arguments.2``.
    """
    data = mapping_of(source, value, key, _KNOWN, _REQUIRED)

    def wrong(name: str, expected: str) -> NoReturn:
        raise source.wrong(f"{key}.{name}", expected)

    kind = data["kind"]
    if kind not in _KINDS:
        wrong("kind", f"expected one of {', '.join(_KINDS)}")
    evidence = data.get("evidence", Evidence.NONE.value)
    if evidence not in _EVIDENCE:
        wrong("evidence", f"expected one of {', '.join(_EVIDENCE)}")
    choices = source.texts(data.get("choices", []), f"{key}.choices")
    for name in ("choices", "pattern", "words"):
        if name in data and kind != "string":
            wrong(name, "only a string can have it")
    limits: dict[str, int] = {}
    for name in ("minimum", "maximum"):
        if name not in data:
            continue
        limit = data[name]
        if kind != "integer":
            wrong(name, "only an integer can have it")
        if not isinstance(limit, int) or isinstance(limit, bool):
            wrong(name, "expected a whole number")
        limits[name] = limit
    if len(limits) == 2 and limits["minimum"] > limits["maximum"]:
        wrong("maximum", "less than the minimum")
    return Argument(
        name=name_of(source, data["name"], f"{key}.name"),
        kind=kind,
        description=source.text_of(data["description"], f"{key}.description"),
        evidence=_EVIDENCE[evidence],
        required=flag_of(source, data, "required", key, default=True),
        choices=choices,
        minimum=limits.get("minimum"),
        maximum=limits.get("maximum"),
        pattern=_pattern(source, data.get("pattern"), f"{key}.pattern"),
        words=_words(source, data.get("words", {}), choices, f"{key}.words"),
        offered=_offered(source, data.get("offered", []), f"{key}.offered"),
        strict=flag_of(source, data, "strict", key),
        read_back=flag_of(source, data, "read_back", key),
        spoken_as=_spoken_as(source, data.get("spoken_as", []), f"{key}.spoken_as"),
    )


def _compiled(source: YamlSource, value: Any, key: str) -> re.Pattern[str]:
    try:
        return re.compile(source.text_of(value, key), re.IGNORECASE)
    except re.error as error:
        raise source.wrong(key, f"not a regular expression: {error}") from error


def _pattern(source: YamlSource, value: Any, key: str) -> Callable[[str], bool] | None:
    if value is None:
        return None
    compiled = _compiled(source, value, key)
    return lambda text: compiled.fullmatch(text) is not None


def _words(source: YamlSource, value: Any, choices: tuple[str, ...], key: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise source.wrong(key, "expected a mapping from a choice to what callers call it")
    words = {}
    for choice, expression in value.items():
        if choice not in choices:
            raise source.wrong(f"{key}.{choice}", "not among the choices")
        words[choice] = _compiled(source, expression, f"{key}.{choice}").pattern
    return words


def _offered(source: YamlSource, value: Any, key: str) -> tuple[Offered, ...]:
    offers = []
    for position, text in enumerate(source.texts(value, key)):
        tool, dot, field = text.partition(".")
        if not dot or not _NAME.fullmatch(tool) or not _NAME.fullmatch(field):
            raise source.wrong(f"{key}.{position}", "expected the tool and the field of its result: find_slots.slot_id")
        offers.append(Offered(tool, field))
    return tuple(offers)


def _spoken_as(source: YamlSource, value: Any, key: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        raise source.wrong(key, "expected a list of groups of fields: [[date, time]]")
    return tuple(source.texts(group, f"{key}.{position}") for position, group in enumerate(value))
