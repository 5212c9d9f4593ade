"""What a setting is: a dataclass field that knows its unit, its limits and what to say when it is wrong.

Settings travel to every call's process, and a call has a few megabytes to live in; so the classes are plain frozen
dataclasses on the standard library, and pydantic, which checks them, is imported by the process that loads them alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

PREFIX: Final = "TRUNKLINE_"

T = TypeVar("T")


class Secret:
    """A text that never shows itself: not in a log, a traceback or a printed setting."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('**********')" if self._value else "Secret('')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Rule:
    """What is known of a setting beside its type and default."""

    help: str
    """What it does, in a sentence or two."""
    unit: str = ""
    """Unit of the value; empty where it has none."""
    at_least: float | None = None
    at_most: float | None = None
    pattern: str = ""
    """Regular expression that the whole value must match."""
    expected: str = ""
    """What a right value looks like, where type and limits do not say it."""
    variable: str = ""
    """Name of the environment variable after the prefix, where it is not the field's name."""
    path_with_slash: bool = False
    """A text with a slash in it is a path, and is made absolute."""


def setting(
    default: T,
    help: str,  # noqa: A002 - the word for it in every command line
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
    pattern: str = "",
    expected: str = "",
    variable: str = "",
    path_with_slash: bool = False,
) -> T:
    """A dataclass field with a default and a rule."""
    rule = Rule(help, unit, at_least, at_most, pattern, expected, variable, path_with_slash)
    return dataclasses.field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, slots=True)
class Declared:
    """A setting as it was declared in its class."""

    section: type[Any]
    field: str
    variable: str
    """Full name of the environment variable."""
    default: Any
    rule: Rule


def declared(section: type[Any]) -> Iterator[Declared]:
    """The settings of one class, in the order in which they are written."""
    for field in dataclasses.fields(section):
        rule: Rule = field.metadata["rule"]
        name = (rule.variable or field.name).upper()
        yield Declared(section, field.name, PREFIX + name, field.default, rule)
