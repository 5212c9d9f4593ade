"""Calls that the PBX has announced: who may connect, once."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from engine.clock import Clock

MOST_ANNOUNCED = 10_000
MOST_USED = 100_000
USED_SECONDS = 24 * 3600.0
"""How long a used UUID is remembered."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What the PBX said of a call before it connects it."""

    call_id: str
    caller: str
    """Caller's number; empty where withheld."""
    channel: str
    """Name of the PBX's channel, for redirecting it."""
    dialled: str
    expires: float


class Registry:
    """Announced and used UUIDs. Both are bounded: the oldest leave first."""

    def __init__(self, clock: Clock, ttl: float) -> None:
        """``ttl``: seconds between announcement and connection."""
        self._clock = clock
        self._ttl = ttl
        self._announced: OrderedDict[str, Announced] = OrderedDict()
        self._used: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._announced)

    def announce(self, call_id: str, *, caller: str, channel: str, dialled: str = "") -> Literal["announced", "used"]:
        """Expect a call. ``call_id`` is a UUID in any of its spellings; ValueError where it is none.

        Announcing an unused UUID again renews it (a PBX that got no answer asks twice).
        """
        key = str(uuid.UUID(call_id))
        self._expire()
        if key in self._used:
            return "used"
        self._announced.pop(key, None)
        self._announced[key] = Announced(key, caller, channel, dialled, self._clock.now() + self._ttl)
        while len(self._announced) > MOST_ANNOUNCED:
            self._announced.popitem(last=False)
        return "announced"

    def is_announced(self, call_id: str) -> bool:
        """Whether this call is expected now."""
        self._expire()
        return call_id in self._announced

    def use(self, raw: bytes) -> Announced | None:
        """The announcement for the 16 bytes a connection showed; None where nobody announced it or it was used."""
        key = str(uuid.UUID(bytes=raw))
        self._expire()
        announced = self._announced.pop(key, None)
        if announced is not None:
            self.mark_used(key)
        return announced

    def mark_used(self, call_id: str) -> None:
        """This UUID has had its call."""
        self._used[call_id] = self._clock.now() + USED_SECONDS
        while len(self._used) > MOST_USED:
            self._used.popitem(last=False)

    def _expire(self) -> None:
        now = self._clock.now()
        while self._announced and next(iter(self._announced.values())).expires < now:
            self._announced.popitem(last=False)
        while self._used and next(iter(self._used.values())) < now:
            self._used.popitem(last=False)
