"""The eight criteria, and what a call is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID


class Criterion(StrEnum):
    """What is asked of each call."""

    GREETED = "greeted"
    INTENT_UNDERSTOOD = "intent_understood"
    RIGHT_TOOL = "right_tool"
    ACCURATE = "accurate"
    CONFIRMED = "confirmed"
    """What cannot be undone was read back, and the caller said yes, before it was done."""
    CONCISE = "concise"
    RESOLVED = "resolved"
    """Without a person."""
    SATISFIED = "satisfied"


@dataclass(frozen=True, slots=True)
class Score:
    """What one criterion says of one call."""

    score: float | None
    """0 (bad) to 1 (good); None: it does not apply to this call, or cannot be told."""
    why: str
    """A code of a fixed list, never anybody's words."""
    by: Literal["rule", "model"] = "rule"

    def as_json(self) -> dict[str, Any]:
        return {"score": None if self.score is None else round(self.score, 3), "by": self.by, "why": self.why}


Scores = Mapping[Criterion, Score]
"""All eight of them."""


@dataclass(frozen=True, slots=True)
class JudgedTurn:
    """What one of the two said in a turn."""

    turn: int
    speaker: str
    """``caller``, ``agent`` or ``operator``."""
    text: str | None
    """As heard; None: removed after its time, or erased."""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class JudgedTool:
    """A tool call."""

    turn: int | None
    name: str
    success: bool
    error: str = ""
    arguments: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """A finished call as its records have it."""

    id: UUID
    started_at: datetime
    language: str
    scenario: str | None
    outcome: str | None
    ending_reason: str | None
    transfer_reason: str | None
    failures: int = 0
    turns: Sequence[JudgedTurn] = ()
    """In their order; within a turn the caller comes before the agent."""
    tools: Sequence[JudgedTool] = ()
    """In their order."""

    def said_by(self, speaker: str) -> list[JudgedTurn]:
        """Turns of one of the two in which something was said and is still known."""
        return [turn for turn in self.turns if turn.speaker == speaker and turn.text]

    @property
    def text_removed(self) -> bool:
        """Whether what was said is not known any more."""
        return any(turn.text is None for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Business:
    """What the rules must know of the business whose call it was."""

    greeting: str = ""
    not_heard: str = ""
    """What the agent says where no word was understood."""
    confirmed: Mapping[str, str] = field(default_factory=dict)
    """Tools that need the caller's yes → regular expression of further words that are one; empty: none."""
    numbers: frozenset[str] = frozenset()
    """Digits that stand in the business's own texts: hours, prices, its own telephone number."""


def overall(scores: Scores) -> float | None:
    """The mean of what applies; None where nothing does."""
    known = [one.score for one in scores.values() if one.score is not None]
    return sum(known) / len(known) if known else None


def as_json(scores: Scores) -> dict[str, Any]:
    """For the column ``calls.quality``."""
    return {criterion.value: scores[criterion].as_json() for criterion in Criterion}
