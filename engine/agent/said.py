"""What was said in a call so far, sorted by who said it: the ground on which a tool call stands or falls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.agent.ports import Message, ToolCall

_LONGEST_TURN = 2000
"""Characters of one turn that are looked at: two minutes of speech."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A field of a tool's result that may offer a value: ``Offered("get_fitting_stations", "station_id")``."""

    tool: str
    field: str


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool returned earlier in this call."""

    tool: str
    arguments: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return self.content.get("ok") is True


@dataclass(frozen=True, slots=True)
class Said:
    """The words a call was made of so far."""

    caller: tuple[str, ...]
    """The caller's turns, oldest first."""
    offered: tuple[str, ...] = ()
    """What the agent said, and what its tools returned."""
    language: str = "en"
    last_offer: str = ""
    """What the agent said last before the caller's last turn."""
    product_prefix: str = ""
    goods: tuple[str, ...] = ()
    """What callers count at this business; see ``Playbook.goods``."""
    today: date | None = None
    """The day of the call where the business is; None: dates can be taken from offers alone."""
    answers: tuple[ToolAnswer, ...] = ()
    """What the tools returned, oldest first."""

    @staticmethod
    def of(
        history: Sequence[Message],
        language: str = "en",
        product_prefix: str = "",
        *,
        goods: tuple[str, ...] = (),
        today: date | None = None,
    ) -> Said:
        """Sorts a conversation."""
        caller, offered, last_offer, spoken = [], [], "", ""
        asked: dict[str, ToolCall] = {}
        answers: list[ToolAnswer] = []
        for message in history:
            if message.role == "user":
                caller.append(message.content[-_LONGEST_TURN:])
                last_offer, spoken = spoken, ""
            elif message.role == "assistant":
                asked.update({call.id: call for call in message.tool_calls})
                if message.content:
                    offered.append(message.content)
                    spoken = message.content
            elif message.role == "tool":
                offered.append(message.content)
                call = asked.get(message.tool_call_id)
                if call is not None:
                    answers.append(ToolAnswer(call.name, _object(call.arguments), _object(message.content)))
        return Said(tuple(caller), tuple(offered), language, last_offer, product_prefix, goods, today, tuple(answers))

    @property
    def last(self) -> str:
        """The caller's last turn."""
        return self.caller[-1] if self.caller else ""

    def offers(self, sources: Sequence[Offered], value: str) -> Iterator[Mapping[str, Any]]:
        """The records of good tool answers in which one of ``sources`` has this value, the newest first."""
        for answer in reversed(self.answers):
            fields = [source.field for source in sources if source.tool == answer.tool]
            if fields and answer.ok:
                for record in _records(answer.content):
                    if any(str(record.get(name)) == value for name in fields if record.get(name) is not None):
                        yield record


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _records(value: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """All objects within ``value``, the outer ones first; results are shallow, so that the depth may be limited."""
    if depth > 4:
        return
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _records(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _records(inner, depth + 1)
