"""What the process of a call has told the ingress and not heard back of.

An ingress that is killed takes with it what it had not put on the disk. Each event therefore keeps its id and time and
stays here until the ingress has confirmed it; one that comes after is told all that is left, and what it is told twice
is known by its id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from actors import messages as say
from actors.messages import CallStart
from actors.tether import Message

MOST_EVENTS: Final = 1_000
"""Of one call; the oldest leave first."""
MOST_CALLS: Final = 100

Event = dict[str, Any]


@dataclass(slots=True)
class _Told:
    start: CallStart
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))


class Unconfirmed:
    """Events of the calls that one process has led."""

    def __init__(self) -> None:
        self._calls: dict[str, _Told] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, start: CallStart, event: Event) -> None:
        """``event`` was told; it has an ``id``, and is not changed afterwards."""
        told = self._calls.get(start.call_id)
        if told is None:
            if len(self._calls) >= MOST_CALLS:
                del self._calls[next(iter(self._calls))]
            told = self._calls[start.call_id] = _Told(start)
        told.events.append(event)

    def confirmed(self, call_id: str, event_id: str) -> None:
        """The events of this call up to this one are kept. One that is not here changes nothing."""
        told = self._calls.get(call_id)
        if told is None or all(event["id"] != event_id for event in told.events):
            return
        while told.events.popleft()["id"] != event_id:
            pass
        if not told.events:
            del self._calls[call_id]

    def left(self) -> Iterator[tuple[CallStart, tuple[Event, ...]]]:
        """Each call with what is left of it, in its order."""
        for told in self._calls.values():
            yield told.start, tuple(told.events)

    def messages(self) -> Iterator[Message]:
        """All of it once more, each call's in its order."""
        for told in self._calls.values():
            call = told.start.to_dict()
            for event in told.events:
                yield {"type": say.LATE, "call": call, "event": event}
