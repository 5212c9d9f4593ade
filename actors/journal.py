"""The events of recent calls, kept in memory for whoever watches a call or asks how it ended.

In memory they are whole, for those who may see that; whoever watches gets them as his role may.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.privacy import MaskedConversation, Masker, Role

Event = dict[str, Any]
Next = Literal["operator", "hangup"]

MOST_EVENTS = 1_000
"""Events kept of one call; the oldest leave first."""
MOST_ENDED = 500
"""Ended calls that are remembered."""
MOST_WATCHERS = 50


@dataclass(slots=True)
class Record:
    """What is remembered of one call."""

    call_id: str
    began: float = 0.0
    """Seconds since 1970."""
    next: Next = "operator"
    """What the dialplan shall do when the call comes back to it; the operator unless the call said otherwise."""
    ended: bool = False
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    count: int = 0
    """Events so far, those that left included."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0


class Journal:
    """Records of the calls of this ingress."""

    def __init__(
        self,
        masker: Callable[[], Masker] = Masker,
        *,
        keep: Callable[[Mapping[str, Any]], None] = lambda _record: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``masker``: a new one for each onlooker, which knows what belongs to the business.

        ``keep`` is given each event as it happens, with its call, for the records: it must not wait, nor raise.
        """
        self._masker = masker
        self._keep = keep
        self._wall = wall
        self._records: OrderedDict[str, Record] = OrderedDict()

    def open(self, call_id: str, began: float = 0.0) -> Record:
        """The record of a call, a new one where there is none. ``began``: where the call is older than its record."""
        record = self._records.get(call_id)
        if record is None:
            record = self._records[call_id] = Record(call_id)
            self._forget_old()
        record.began = began or record.began or self._wall()
        return record

    def get(self, call_id: str) -> Record | None:
        return self._records.get(call_id)

    def add(self, call_id: str, event: Event) -> None:
        """Note an event: it is given its id and its time here, where it has none."""
        record = self.open(call_id)
        event = {**event}
        event.setdefault("id", str(uuid.uuid4()))
        event.setdefault("at", round(self._wall(), 6))
        record.events.append(event)
        record.count += 1
        record.changed.set()
        self._keep({"call": call_id, "began": record.began, "event": event})

    def end(self, call_id: str) -> None:
        """Nothing more will happen in it."""
        record = self.open(call_id)
        record.ended = True
        record.changed.set()

    async def watch(self, record: Record, role: Role = Role.VIEWER) -> AsyncIterator[Event]:
        """All events of a call that are still kept, then each new one, until it has ended, as ``role`` may see them."""
        seen_by = MaskedConversation(self._masker())
        seen = record.count - len(record.events)
        record.watchers += 1
        try:
            while True:
                record.changed.clear()
                missing = min(record.count - seen, len(record.events))
                for event in list(record.events)[len(record.events) - missing :]:
                    yield event if role.sees_everything else seen_by.event(event)
                    seen += 1
                seen = max(seen, record.count - len(record.events))
                if seen < record.count:
                    continue
                if record.ended:
                    return
                await record.changed.wait()
        finally:
            record.watchers -= 1

    def _forget_old(self) -> None:
        ended = [call_id for call_id, record in self._records.items() if record.ended]
        for call_id in ended[: max(0, len(ended) - MOST_ENDED)]:
            del self._records[call_id]
