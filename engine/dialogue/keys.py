"""Numbers keyed in on the telephone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE_SECONDS = 2.5
"""After this long without a key the number is complete; ``#`` completes it at once, ``*`` clears it."""

LONGEST = 32


class Keypad:
    """Collects keys to numbers."""

    def __init__(self, on_number: Callable[[str], None]) -> None:
        self._on_number = on_number
        self._digits = ""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        """Whether no number is being keyed in."""
        return not self._digits

    def press(self, key: str) -> None:
        """One key; what is not on a telephone is ignored."""
        if key == "*":
            self.clear()
        elif key == "#":
            self._complete()
        elif key in "0123456789" and len(self._digits) < LONGEST:
            self._digits += key
            self._stop()
            self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._complete)

    def clear(self) -> None:
        """Forget what was keyed in."""
        self._stop()
        self._digits = ""

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _complete(self) -> None:
        digits = self._digits
        self.clear()
        if digits:
            self._on_number(digits)
