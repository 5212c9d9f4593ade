"""When the caller speaks, pauses, goes on, and is done.

Time here is audio time: windows of 32 ms, each with the probability of speech and its level. So the same audio gives
the same turns, however late it is looked at.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

WINDOW_SECONDS: Final = 0.032
ONSET_WINDOWS: Final = 2
"""Windows of speech in a row that make a beginning."""
HYSTERESIS: Final = 0.15
"""Once begun, speech goes on down to this much below the threshold."""
HUSH_DECIBELS: Final = 22.0
"""Fall below the loudest part of the speech that counts as silence before voice activity notices (it lags ~130 ms)."""
LAG_WINDOWS: Final = 6
"""Windows for which voice activity may call a hush speech; beyond them it is speech, only softer."""
CERTAIN_SECONDS: Final = 0.2
"""Silence by voice activity itself without which no turn ends, however quiet the line."""


class Turn(Enum):
    """What happened in the caller's turn."""

    ONSET = "onset"
    """Speech has begun."""
    BARGE_IN = "barge_in"
    """Speech has lasted long enough to interrupt; once in a stretch of speech."""
    PAUSE = "pause"
    """Speech has paused; it may go on."""
    RESUME = "resume"
    """It goes on."""
    ENDPOINT = "endpoint"
    """The silence has lasted long enough: the turn is over."""


class TurnDetector:
    """Finds the turns of one caller."""

    def __init__(
        self, *, threshold: float, pause_seconds: float, endpoint_seconds: float, barge_in_seconds: float
    ) -> None:
        """``threshold``: probability from which a window counts as speech; times are seconds of silence or speech."""
        self._threshold = threshold
        self._pause = pause_seconds
        self._default_endpoint = endpoint_seconds
        self._barge_in = barge_in_seconds
        self.endpoint_seconds = endpoint_seconds
        """Silence that ends this turn; may be changed while it lasts, falls back to the default with the next turn."""
        self.speaking = False
        """From onset to endpoint."""
        self.paused = False
        self._run = 0
        self._silence = 0
        self._hush = 0
        self._loudest = -100.0
        self._barged = False

    @property
    def quiet_seconds(self) -> float:
        """Silence since the last speech, by level or by voice activity, whichever noticed it earlier."""
        return max(self._silence, self._hush) * WINDOW_SECONDS

    @property
    def run_seconds(self) -> float:
        """Speech since the last pause."""
        return self._run * WINDOW_SECONDS

    def feed(self, probability: float, level: float) -> Turn | None:
        """One window: probability of speech (0..1) and level in dB relative to full scale."""
        if not self.speaking:
            return self._listen(probability, level)
        if probability >= self._threshold - (0.0 if self.paused else HYSTERESIS):
            return self._speech(level)
        return self._no_speech(level)

    def expect_speech(self) -> None:
        """Go on in the middle of a turn whose beginning somebody else has seen."""
        self._begin()

    def cut(self) -> None:
        """The turn has lasted too long: what comes now is another one."""
        self.speaking = self.paused = False
        self._run = self._silence = self._hush = 0

    def _listen(self, probability: float, level: float) -> Turn | None:
        if probability < self._threshold:
            self._run = 0
            return None
        self._run += 1
        self._loudest = max(self._loudest, level) if self._run > 1 else level
        if self._run < ONSET_WINDOWS:
            return None
        run, loudest = self._run, self._loudest
        self._begin()
        self._run, self._loudest = run, loudest
        return Turn.ONSET

    def _begin(self) -> None:
        self.speaking, self.paused, self._barged = True, False, False
        self._run = self._silence = self._hush = 0
        self._loudest = -100.0
        self.endpoint_seconds = self._default_endpoint

    def _speech(self, level: float) -> Turn | None:
        self._silence = 0
        if level >= self._loudest - HUSH_DECIBELS or self._hush > LAG_WINDOWS:
            return self._sound(level)
        self._hush += 1
        return self._pausing()

    def _sound(self, level: float) -> Turn | None:
        if self._hush > LAG_WINDOWS:
            self._loudest = level + HUSH_DECIBELS / 2
        self._hush = 0
        self._loudest = max(level, self._loudest - 0.3)
        if self.paused:
            self.paused = False
            self.endpoint_seconds = self._default_endpoint
            self._run = 1
            return Turn.RESUME
        self._run += 1
        if not self._barged and self._run * WINDOW_SECONDS >= self._barge_in:
            self._barged = True
            return Turn.BARGE_IN
        return None

    def _no_speech(self, level: float) -> Turn | None:
        self._silence += 1
        self._hush = self._hush + 1 if level < self._loudest - HUSH_DECIBELS else 0
        if self.paused and self.quiet_seconds >= self.endpoint_seconds:
            if self._silence * WINDOW_SECONDS >= CERTAIN_SECONDS:
                self.speaking = self.paused = False
                self._run = 0
                return Turn.ENDPOINT
            return None
        return self._pausing()

    def _pausing(self) -> Turn | None:
        if not self.paused and self.quiet_seconds >= self._pause:
            self.paused = True
            return Turn.PAUSE
        return None
