"""When the caller speaks, pauses, goes on, and is done.

Time here is audio time: windows of 32 ms, each with the probability of speech and its level. So the same audio gives
the same turns, however late it is looked at.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from math import log10
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
SOUND_DECIBELS: Final = 12.0
"""Rise above the line's own noise that is sound, whatever voice activity makes of it yet (it notices late, too)."""
FAINTEST_SOUND: Final = -45.0
"""Level below which nothing is sound, however quiet the line, in dB relative to full scale."""
QUIETEST_LINE: Final = -75.0
"""Least noise a line is credited with: digital silence says nothing about the next sound."""
NOISE_RATE: Final = 0.1
"""Share of each window without speech in the running mean of the line's noise."""
FALL_WINDOWS: Final = 3
FALL_DECIBELS: Final = 9.0
"""Fall of the voice in its last windows, below the turn's loudest, that an ended sentence has: of 30 clips of speech on
the telephone 97 % end so, and 58 % of the places within them where a pause was put."""
UNDECIDED_WINDOWS: Final = 4
"""Windows of sound in a pause for which the turn is not ended: voice activity may yet find that the caller goes on."""


class Turn(Enum):
    """What happened in the caller's turn."""

    ONSET = "onset"
    """Speech has begun."""
    BARGE_IN = "barge_in"
    """Speech has lasted long enough to interrupt; once in a stretch of speech, and in place of the onset where the
    sound before it already was long enough."""
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
        self._noise = -60.0
        self._sounding = 0
        self._peak = -100.0
        self._levels: deque[float] = deque(maxlen=16)

    @property
    def quiet_seconds(self) -> float:
        """Silence since the last speech, by level or by voice activity, whichever noticed it earlier."""
        return max(self._silence, self._hush) * WINDOW_SECONDS

    @property
    def run_seconds(self) -> float:
        """Speech since the last pause."""
        return self._run * WINDOW_SECONDS

    @property
    def broke_off(self) -> bool:
        """In a pause: whether the voice stopped without falling, as it does where more is to come."""
        quiet = max(self._silence, self._hush)
        last = list(self._levels)[-quiet - FALL_WINDOWS : -quiet or None]
        if len(last) < FALL_WINDOWS:
            return False
        power = sum(10 ** (level / 10) for level in last) / FALL_WINDOWS
        return 10 * log10(power) > self._peak - FALL_DECIBELS

    def feed(self, probability: float, level: float) -> Turn | None:
        """One window: probability of speech (0..1) and level in dB relative to full scale."""
        self._levels.append(level)
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
            self._note_sound(level)
            return None
        self._run += 1
        self._sounding += 1
        self._loudest = max(self._loudest, level) if self._run > 1 else level
        if self._run < ONSET_WINDOWS:
            return None
        # The sound that led up to it was the beginning of the word: voice activity only knows it now.
        run, loudest = self._sounding, self._loudest
        self._begin()
        self._run, self._loudest, self._peak = run, loudest, loudest
        if self.run_seconds >= self._barge_in:
            self._barged = True
            return Turn.BARGE_IN
        return Turn.ONSET

    def _note_sound(self, level: float) -> None:
        """A window without speech: how long there has been sound, and how loud the line is without it."""
        sound = level > max(FAINTEST_SOUND, self._noise + SOUND_DECIBELS)
        self._sounding = self._sounding + 1 if sound else 0
        self._noise += NOISE_RATE * (max(level, QUIETEST_LINE) - self._noise)

    def _begin(self) -> None:
        self.speaking, self.paused, self._barged = True, False, False
        self._run = self._silence = self._hush = self._sounding = 0
        self._loudest = self._peak = -100.0
        self.endpoint_seconds = self._default_endpoint

    def _speech(self, level: float) -> Turn | None:
        self._silence = self._sounding = 0
        soft = self._hush > LAG_WINDOWS and level > self._noise + SOUND_DECIBELS
        if soft or level >= self._loudest - HUSH_DECIBELS:
            return self._sound(level)
        self._hush += 1
        return self._pausing()

    def _sound(self, level: float) -> Turn | None:
        if self._hush > LAG_WINDOWS:
            self._loudest = level + HUSH_DECIBELS / 2
        self._hush = 0
        self._peak = max(level, self._peak)
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
        if self.paused:
            self._note_sound(level)
        if self.paused and self.quiet_seconds >= self.endpoint_seconds:
            if 0 < self._sounding <= UNDECIDED_WINDOWS:
                return None
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
