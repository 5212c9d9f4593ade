"""One 20 ms beat for every call of an outside caller's process.

Calls are spread over slots within the 20 ms, as real calls would be, and a slot costs one timer however many calls it
holds. Beats keep an absolute schedule: one that comes late is made up for at once, it does not move those after it.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.audio.format import FRAME_SECONDS

Beat = Callable[[float], None]
"""Called every 20 ms with the monotonic time at which the beat was due. Must not wait, must not raise."""

_MOST_BEATS_KEPT: Final = 1_000_000


@dataclass(slots=True)
class _Slot:
    due: float
    beats: list[Beat]


class Metronome:
    """Calls each ``Beat`` every 20 ms from ``join`` to ``leave``. Belongs to the loop it was made in."""

    def __init__(self, *, slots: int = 10) -> None:
        self._loop = asyncio.get_running_loop()
        began = time.monotonic()
        self._slots = [_Slot(began + place * FRAME_SECONDS / slots, []) for place in range(slots)]
        self._timer: asyncio.TimerHandle | None = None
        self.lateness = array("d")
        """How late each round of beats was, in seconds: what the harness itself adds."""

    def join(self, beat: Beat) -> None:
        """Take the emptiest slot; the first beat comes within 20 ms."""
        slot = min(self._slots, key=lambda one: len(one.beats))
        if not slot.beats:
            self._catch_up(slot)
        slot.beats.append(beat)
        self._arm()

    def leave(self, beat: Beat) -> None:
        """No more beats; unknown ones are ignored."""
        for slot in self._slots:
            if beat in slot.beats:
                slot.beats.remove(beat)
        self._arm()

    def close(self) -> None:
        """No more beats for anyone."""
        for slot in self._slots:
            slot.beats.clear()
        self._arm()

    @staticmethod
    def _catch_up(slot: _Slot) -> None:
        missed = (time.monotonic() - slot.due) // FRAME_SECONDS + 1
        slot.due += max(missed, 0.0) * FRAME_SECONDS

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = min((slot.due for slot in self._slots if slot.beats), default=None)
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._run)

    def _run(self) -> None:
        for slot in self._slots:
            while slot.beats and slot.due <= (now := time.monotonic()):
                if len(self.lateness) < _MOST_BEATS_KEPT:
                    self.lateness.append(now - slot.due)
                due = slot.due
                slot.due += FRAME_SECONDS
                for beat in tuple(slot.beats):
                    beat(due)
        self._arm()
