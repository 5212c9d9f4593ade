"""Who sees what of a call: the events of a conversation, masked for those who watch and whole for those who answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from engine.privacy.masking import Asked, Masker, asked_by, begun_by

Event = Mapping[str, Any]
"""Something that happened in a call: ``type``, ``t``, and fields of its own."""


class Role(StrEnum):
    """Who looks at a call."""

    VIEWER = "viewer"
    """Watches how calls go."""
    AUDITOR = "auditor"
    """Checks what was done; needs no caller's data for it."""
    SUPERVISOR = "supervisor"
    """Takes over and calls back: sees what was said."""
    ADMIN = "admin"

    @property
    def sees_everything(self) -> bool:
        """Whether nothing is masked for this role."""
        return self in {Role.SUPERVISOR, Role.ADMIN}


_STRUCTURE: Final = frozenset({"type", "t", "id", "at", "version", "state", "name", "next", "what", "call_id", "pid"})
"""Fields whose values come from our own lists."""


class MaskedConversation:
    """Masks one call's events in their order: a question tells what its answer is, a name once given is known."""

    def __init__(self, masker: Masker) -> None:
        """``masker``: of this call alone; it learns."""
        self._masker = masker
        self._asked = Asked.NOTHING

    def event(self, event: Event) -> dict[str, Any]:
        """The event as everybody may see it."""
        kind = event.get("type")
        if kind == "tool":
            self._masker.learn_slots(event.get("arguments"))
        elif kind == "call":
            self._masker.learn_number(str(event.get("caller_number", "")))
        masked = {name: self._field(name, value) for name, value in event.items() if name not in {"caller", "agent"}}
        if "caller" in event:
            said = str(event["caller"])
            masked["caller"] = self._masker.mask(said, self._asked, unfinished=kind == "partial", learn=True)
        if "agent" in event:
            answer = str(event["agent"])
            masked["agent"] = self._masker.mask(answer, learn=True)
        if kind == "turn":
            self._asked = asked_by(str(event.get("agent", "")))
            if self._asked is Asked.NOTHING:
                self._asked = begun_by(str(event.get("caller", "")))
        return {name: masked[name] for name in event}

    def _field(self, name: str, value: object) -> object:
        return value if name in _STRUCTURE else self._masker.value(value, name)


def transcript_for(role: Role, events: Iterable[Event], masker: Masker | None = None) -> list[dict[str, Any]]:
    """A call's events (or its turns) as ``role`` may see them.

    ``masker``: one for this call, which knows what belongs to the business. Names that are given late in a call are
    masked in what was said before, too.
    """
    events = list(events)
    if role.sees_everything:
        return [dict(event) for event in events]
    masker = masker or Masker()
    for event in events:  # what is learned at the end holds for the beginning
        if event.get("type") == "tool":
            masker.learn_slots(event.get("arguments"))
    first = MaskedConversation(masker)
    for event in events:
        first.event(event)
    conversation = MaskedConversation(masker)
    return [conversation.event(event) for event in events]
