"""Conversations as they stand in ``conversations/*.yaml``: what a caller does, and what must come of it.

A file is one scenario; ``README.md`` beside this says what may stand in it. What is misspelt there is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.store.samples import KNOWN_CALLER

FOLDER = Path(__file__).with_name("conversations")


class _Loader(yaml.SafeLoader):
    """Reads "yes", "no" and days as words."""


def _is_text(tag: str, letter: str) -> bool:
    return tag.endswith("timestamp") or (tag.endswith("bool") and letter not in "tTfF")


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not _is_text(tag, letter)]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

ACTIONS = ("says", "noise", "silence", "keys", "hangs_up", "world")
_STEP = frozenset({*ACTIONS, "over", "during", "hears", "hears_not"})
_GIVEN = frozenset({"playbook", "caller", "closed", "bookings", "appointments", "settings", "world"})
_CONVERSATION = frozenset(
    {"name", "attack", "given", "talk", "tools", "orders", "bookings", "appointments", "ends", "hears_not"}
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the caller does, or that happens around him."""

    action: str
    value: Any
    over: int = 0
    """Words of the agent after which it is done, while he speaks."""
    during: str = ""
    """State of the call in which it is done; empty: when it is the caller's turn."""
    hears: tuple[str, ...] = ()
    """Regular expressions of what the agent says from here to the next step, as heard."""
    hears_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call that ran, or was refused."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    """Why it was refused or failed; its arguments do not matter then."""

    def __str__(self) -> str:
        return f"{self.name}! {self.error}" if self.error else f"{self.name} {dict(self.arguments)}"


@dataclass(frozen=True, slots=True)
class Given:
    """How things stand when the call comes in."""

    playbook: str = "tyre_shop"
    caller: str = KNOWN_CALLER
    closed: bool = False
    bookings: tuple[str, ...] = ()
    appointments: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    world: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One call."""

    scenario: str
    name: str
    talk: tuple[Step, ...]
    ends: str
    """What the dialplan does next and why: "operator caller_request"."""
    attack: bool = False
    given: Given = field(default_factory=Given)
    tools: tuple[ToolUse, ...] = ()
    """All tool calls, in order."""
    orders: tuple[str, ...] = ()
    """Orders that the call made or changed, as they stand in the end."""
    bookings: tuple[str, ...] | None = None
    """All bookings in the end; None: as given."""
    appointments: tuple[str, ...] | None = None
    """… of the clinic."""
    hears_not: tuple[str, ...] = ()
    """What is never said in this call."""


def conversations(folder: Path = FOLDER) -> Iterator[Conversation]:
    """All of them, in the order of their files. Raises ValueError for what is not understood."""
    for path in sorted(folder.glob("*.yaml")):
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        for item in data["conversations"]:
            yield _conversation(data["scenario"], item, f"{path.name}: {item.get('name')}")


def _conversation(scenario: str, item: Mapping[str, Any], where: str) -> Conversation:
    _only(item, _CONVERSATION, where)
    given = item.get("given", {})
    _only(given, _GIVEN, where)
    settled = {name: _texts(given.get(name, ())) for name in ("bookings", "appointments")}
    return Conversation(
        scenario=scenario,
        name=item["name"],
        talk=tuple(_step(step, where) for step in item["talk"]),
        ends=item["ends"],
        attack=item.get("attack", False),
        given=Given(**{**given, **settled}),
        tools=tuple(_tool(use) for use in item.get("tools", ())),
        orders=_texts(item.get("orders", ())),
        bookings=_texts(item["bookings"]) if "bookings" in item else None,
        appointments=_texts(item["appointments"]) if "appointments" in item else None,
        hears_not=_texts(item.get("hears_not", ())),
    )


def _step(item: Mapping[str, Any], where: str) -> Step:
    _only(item, _STEP, where)
    actions = [name for name in ACTIONS if name in item]
    if len(actions) != 1:
        raise ValueError(f"{where}: a step does one thing, not {actions}: {item}")
    return Step(
        actions[0],
        item[actions[0]],
        over=item.get("over", 0),
        during=item.get("during", ""),
        hears=_texts(item.get("hears", ())),
        hears_not=_texts(item.get("hears_not", ())),
    )


def _tool(item: str | Mapping[str, Any]) -> ToolUse:
    if isinstance(item, str):
        return ToolUse(item)
    ((name, value),) = item.items()
    return ToolUse(name[:-1], error=value) if name.endswith("!") else ToolUse(name, value)


def _texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def _only(item: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    if unknown := set(item) - known:
        raise ValueError(f"{where}: unknown {', '.join(sorted(map(str, unknown)))} (known: {', '.join(sorted(known))})")
