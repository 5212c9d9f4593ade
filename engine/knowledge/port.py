"""What a knowledge base holds and what it must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

ANSWERS: Final = 0.5
"""A hit of this score or more answers the question; below it, say that it is not known."""
MAX_QUERY: Final = 400
"""Characters of a question that are looked at; a longer one is cut there."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One fact the business tells its callers."""

    id: str
    text: str
    asks: tuple[str, ...] = ()
    """Words that callers use for it; searched, never spoken."""
    title: str = ""
    """For people and models; searched, never spoken."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question."""

    id: str
    text: str
    score: float
    """How surely it answers, 0..1. Comparable between questions, not between ``by``."""
    title: str = ""
    by: Literal["meaning", "words"] = "words"
    """What it was found by: sentence embeddings and words together, or words alone."""

    @property
    def answers(self) -> bool:
        """Whether it may be told as the answer."""
        return self.score >= ANSWERS


class KnowledgeBase(Protocol):
    """Where answers come from. Nothing but what it finds may be told as a fact of the business."""

    async def search(self, query: str, limit: int = 3) -> Sequence[Hit]:
        """At most ``limit`` passages, the best first; an empty question or an empty base finds none.

        Raises KnowledgeUnavailable.
        """

    async def close(self) -> None:
        """Let go of everything; idempotent."""


class Shelves(Protocol):
    """The knowledge bases of several playbooks."""

    async def search(self, playbook: str, query: str, limit: int) -> Sequence[Hit]:
        """As ``KnowledgeBase.search`` over the playbook of that name.

        Raises KnowledgeUnavailable, also where the playbook is not known here.
        """


def told(hit: Hit) -> dict[str, Any]:
    """A hit as a tool tells it to a model: whether it may be told as the answer stands beside it."""
    shown = {"id": hit.id, "title": hit.title, "text": hit.text, "score": round(hit.score, 3), "by": hit.by}
    return {name: value for name, value in shown.items() if value != ""} | {"answers": hit.answers}
