"""When a caller has been silent for too long, and when a call has lasted too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.config import DialogueSettings


class Timers:
    """The two timers of one call. ``on_silence`` and ``on_too_long`` must not wait."""

    def __init__(
        self, settings: DialogueSettings, *, on_silence: Callable[[], None], on_too_long: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._on_silence = on_silence
        self._on_too_long = on_too_long
        self._silence: asyncio.TimerHandle | None = None
        self._longest: asyncio.TimerHandle | None = None

    def call_began(self, seconds_ago: float) -> None:
        """From now on the whole call is limited."""
        left = max(self._settings.max_call_s - seconds_ago, 0)
        self._longest = asyncio.get_running_loop().call_later(left, self._on_too_long)

    def wait_for_caller(self, *, asked: bool) -> None:
        """It is the caller's turn; ``asked``: he was silent before, and was asked whether he is there."""
        self.wait_no_longer()
        seconds = self._settings.silence_hangup_s if asked else self._settings.silence_prompt_s
        self._silence = asyncio.get_running_loop().call_later(seconds, self._on_silence)

    def wait_no_longer(self) -> None:
        """He speaks, or it is not his turn."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def close(self) -> None:
        """Idempotent."""
        self.wait_no_longer()
        if self._longest is not None:
            self._longest.cancel()
