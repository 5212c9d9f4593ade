"""Where a conversation stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.agent.talk import Talk

Option = Mapping[str, Any]
CONFIRM = "confirm"
"""Asked: the yes before what cannot be undone."""
CHANGE = "change"
"""Asked: what should be different."""
CONNECT = "connect"
"""Asked: shall I connect you?"""
CALL_BACK = "call_back"
"""Asked: shall we call you back?"""
ELSE = "else"
"""Asked: anything else?"""
RESUME = "resume"
"""Asked: shall we go on with what was left?"""
OTHER = "other"
"""Asked: something that no form asks."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's answer."""

    name: str
    arguments: Mapping[str, Any]
    content: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return bool(self.content.get("ok"))


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision needs."""

    text: str = ""
    """The caller's last turn."""
    intent: str = Talk.UNCLEAR
    """A ``Talk``, the name of a form, or a word of the playbook's own code."""
    topic: str = ""
    """The form, or knowledge, that the conversation was about last; small talk does not change it."""
    active: str = ""
    """The form that is being filled in."""
    paused: tuple[str, ...] = ()
    """Forms that were left half-way, the last one last."""
    finished: str = ""
    """The form that a tool ended since the caller's last turn."""
    closing: Mapping[str, Any] = field(default_factory=dict)
    """The slots that it ended with."""
    asked: str = ""
    """What was asked before the last turn: a slot, or one of the words above; empty: nothing."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    new: frozenset[str] = frozenset()
    """Slots that the last turn filled or changed."""
    offers: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    """Lists to choose from, by name."""
    done: Mapping[str, ToolResult] = field(default_factory=dict)
    """What tools answered for the active form."""
    results: tuple[ToolResult, ...] = ()
    """Answers of tools that were not spoken of yet."""
    turns: tuple[str, ...] = ()
    """What the caller said since the active form began."""
    question: str = ""
    """The last question for the knowledge base, in full."""
    answer: str = ""
    """What the agent said last."""
    stuck: int = 0
    """How many turns in a row were not understood, this one included."""
    down: bool = False
    """What the active form needs could not be reached when it was last asked."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the playbook's own code noted about the last turn."""
