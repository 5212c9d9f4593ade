"""What a playbook may add to the policy in Python. The base class adds nothing: a playbook of data alone uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.agent.situation import Situation, ToolResult

if TYPE_CHECKING:
    from engine.agent.playbook import Playbook
    from engine.agent.replies import Sentences


@dataclass(frozen=True, slots=True)
class Decision:
    """One tool call or one text."""

    text: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | None = None


class Rules:
    """The hooks; every one has an answer that means "as the forms say"."""

    KINDS: frozenset[str] = frozenset()
    """Kinds of slots that ``fill`` reads."""
    SENTENCES: Mapping[str, frozenset[str]] = {}
    """Sentences that the code says besides those of the forms, and the words in braces each may hold."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook

    def before(self, before: Situation, spoken: str) -> Situation:
        """What is known before the caller's turn is read: ``spoken`` is what the agent said."""
        return before

    def weights(self, before: Situation, text: str) -> dict[str, float]:
        """How much the words speak for each form (or word of the code's own), about 1 to 4."""
        return {}

    def context(self, before: Situation, text: str) -> dict[str, float]:
        """What the conversation so far adds to ``weights``."""
        return {}

    def answered(self, before: Situation, text: str) -> str:
        """The form that a turn belongs to because it answers what was asked; empty where it does not."""
        return ""

    def fill(self, before: Situation, text: str, intent: str) -> Mapping[str, Any]:
        """Values of the slots of ``KINDS`` after the turn (None: empty again)."""
        return {}

    def noted(self, before: Situation, text: str) -> Mapping[str, Any]:
        """For ``Situation.facts``."""
        return {}

    def question(self, say: Sentences, slot: str, situation: Situation) -> str:
        """The question for a slot where the declared one does not do; empty: the declared one."""
        return ""

    def spoken(self, say: Sentences, result: ToolResult, situation: Situation) -> str:
        """What is said about a tool's answer; empty: what the form says."""
        return ""

    def failed(self, say: Sentences, result: ToolResult, situation: Situation) -> str:
        """What is said about a tool's refusal; empty: what the forms say."""
        return ""

    def decide(self, say: Sentences, situation: Situation) -> Decision | None:
        """What to do about the last turn; None: as the forms say."""
        return None
