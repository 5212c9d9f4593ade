"""When a voice is heard: the first and the last voiced sample, in a recording and in a stream of frames.

Times are monotonic seconds. A frame's first sample counts as heard at the instant the frame passes the socket, each
later sample 1/8000 s after it; the same rule for both directions, so that a wire that echoes at once measures 0.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from engine.audio.format import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE, SILENCE

VOICED_PEAK: Final = 330
"""Least amplitude of a voiced sample: 40 dB below full scale."""

RUN_GAP: Final = 0.2
"""Silence in seconds that parts two runs of voice; shorter ones are pauses within words and clauses."""


def _samples(pcm: bytes) -> array[int]:
    samples = array("h", pcm[: len(pcm) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def voiced_span(pcm: bytes, peak: int = VOICED_PEAK) -> tuple[int, int] | None:
    """Numbers of the first and the last voiced sample of engine audio, None where there is none."""
    samples = _samples(pcm)
    first = next((at for at, value in enumerate(samples) if not -peak < value < peak), None)
    if first is None:
        return None
    last = next(at for at in range(len(samples) - 1, -1, -1) if not -peak < samples[at] < peak)
    return first, last


@dataclass(slots=True)
class Run:
    """A stretch of voice without a pause longer than ``RUN_GAP``."""

    started: float
    """Time of its first voiced sample."""
    ended: float
    """Time of its last voiced sample so far."""
    first_frame: int
    """Number of the frame in which it starts."""
    last_frame: int
    """Number of the last frame that was voiced."""
    last_arrival: float
    """Time at which that frame arrived."""


class Heard:
    """The frames that came from the engine, with their arrival times, and the runs of voice in them."""

    __slots__ = ("_keep", "_peak", "frames", "runs", "times")

    def __init__(self, *, peak: int = VOICED_PEAK, keep: bool = True) -> None:
        """``keep``: whether the audio is kept, or its times and runs alone."""
        self._peak = peak
        self._keep = keep
        self.frames: list[bytes] = []
        self.times = array("d")
        self.runs: list[Run] = []

    def add(self, pcm: bytes, at: float) -> bool:
        """Another frame, arrived ``at``. Returns whether a new run of voice begins in it."""
        number = len(self.times)
        self.times.append(at)
        if pcm == SILENCE:
            if self._keep:
                self.frames.append(SILENCE)  # the one object instead of a thousand equal ones
            return False
        if self._keep:
            self.frames.append(pcm)
        samples = _samples(pcm)
        if not samples or (max(samples) < self._peak and min(samples) > -self._peak):
            return False
        span = voiced_span(pcm, self._peak)
        if span is None:
            return False
        started, ended = at + span[0] / SAMPLE_RATE, at + span[1] / SAMPLE_RATE
        if self.runs and started - self.runs[-1].ended < RUN_GAP:
            run = self.runs[-1]
            run.ended, run.last_frame, run.last_arrival = ended, number, at
            return False
        self.runs.append(Run(started, ended, number, number, at))
        return True

    def gaps(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """Seconds between the arrivals of neighbouring frames, of those that arrived in that time."""
        return [b - a for a, b in pairwise(self.times) if since <= a and b <= until]

    def audio(self, first: int = 0, last: int | None = None) -> bytes:
        """The audio of frames ``first`` to ``last`` (included), end to end."""
        return b"".join(self.frames[first : None if last is None else last + 1])

    def timeline(self, origin: float) -> bytes:
        """The audio as it was heard from ``origin`` on: silence stands where frames were late."""
        heard = bytearray()
        for pcm, at in zip(self.frames, self.times, strict=False):
            place = round((at - origin) * SAMPLE_RATE) * SAMPLE_BYTES
            if place > len(heard) + 3 * FRAME_BYTES:  # more than a jitter buffer would hide
                heard += bytes(place - len(heard))
            heard += pcm
        return bytes(heard)
