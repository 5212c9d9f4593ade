"""What one end of a call heard, packet by packet, and questions about it."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

RATE: Final = 8000
QUIET: Final = 200.0
"""Root mean square below which a packet counts as silence (full scale 32,768)."""

_POLL: Final = 0.02


class Heard:
    """Packets in the order of their arrival; times are seconds of ``time.monotonic()``, taken by the kernel."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.packets: list[Samples] = []

    def add(self, arrival: float, samples: Samples) -> None:
        """Note a packet of 8 kHz samples."""
        self.arrivals.append(max(arrival, self.arrivals[-1]) if self.arrivals else arrival)
        self.packets.append(samples)

    def samples(self, since: float = 0.0, until: float = float("inf")) -> Samples:
        """Everything that arrived in that stretch, joined."""
        packets = self.packets[self._from(since) : self._from(until)]
        return np.concatenate(packets) if packets else np.zeros(0, np.int16)

    def longest_gap(self, since: float = 0.0, until: float | None = None) -> float:
        """The longest time without a packet, seconds; from ``since`` and up to ``until`` where they are given."""
        arrivals = self.arrivals[self._from(since) : None if until is None else self._from(until)]
        marks = ([since] if since else []) + arrivals + ([until] if until is not None else [])
        return max((after - before for before, after in itertools.pairwise(marks)), default=float("inf"))

    def sound(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Seconds of packets louder than silence."""
        return sum(len(packet) for packet in self._between(since, until) if loudness(packet) > QUIET) / RATE

    def first_sound(self, since: float = 0.0) -> float | None:
        """When the first packet louder than silence arrived."""
        start = self._from(since)
        for arrival, packet in zip(self.arrivals[start:], self.packets[start:], strict=True):
            if loudness(packet) > QUIET:
                return arrival
        return None

    def tone(self, hertz: float, since: float = 0.0, until: float = float("inf")) -> float:
        """Seconds of packets that are that tone and little else."""
        return sum(len(packet) for packet in self._between(since, until) if is_tone(packet, hertz)) / RATE

    async def wait_for_sound(self, seconds: float, *, since: float = 0.0, within: float) -> float:
        """Wait until so many seconds of sound were heard; returns when the first of it arrived. Raises TimeoutError."""
        await self._wait(lambda: self.sound(since) >= seconds, within, f"{seconds} s of sound")
        return self.first_sound(since) or 0.0

    async def wait_for_tone(self, hertz: float, seconds: float, *, since: float = 0.0, within: float) -> None:
        """Wait until so many seconds of that tone were heard. Raises TimeoutError."""
        await self._wait(lambda: self.tone(hertz, since) >= seconds, within, f"{seconds} s of {hertz:.0f} Hz")

    async def wait_for_silence(self, seconds: float, *, within: float) -> None:
        """Wait until the last so many seconds brought packets but no sound. Raises TimeoutError."""

        def quiet() -> bool:
            since = time.monotonic() - seconds
            return bool(self.arrivals) and self.arrivals[0] <= since and self.sound(since) == 0.0

        await self._wait(quiet, within, f"{seconds} s of silence")

    def save(self, path: Path) -> None:
        """Write all of it as a wav file, for a human ear."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(self.samples().astype("<i2").tobytes())

    async def _wait(self, come: Callable[[], bool], within: float, what: str) -> None:
        deadline = time.monotonic() + within
        while not come():
            if time.monotonic() > deadline:
                heard = f"{self.sound():.2f} s of sound in {len(self.packets)} packets"
                raise TimeoutError(f"waited {within} s for {what}; heard so far: {heard}")
            await asyncio.sleep(_POLL)

    def _from(self, moment: float) -> int:
        return bisect.bisect_left(self.arrivals, moment)

    def _between(self, since: float, until: float) -> list[Samples]:
        return self.packets[self._from(since) : self._from(until)]


def loudness(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def silence_at_the_end(samples: Samples) -> float:
    """Seconds after the last 20 ms that are louder than silence."""
    frame = RATE // 50
    for end in range(len(samples), 0, -frame):
        if loudness(samples[max(0, end - frame) : end]) > QUIET:
            return (len(samples) - end) / RATE
    return len(samples) / RATE


def is_tone(samples: Samples, hertz: float) -> bool:
    """Whether nine tenths of the energy are at that frequency."""
    if len(samples) < RATE // 100 or loudness(samples) <= QUIET:
        return False
    wave_ = np.exp(-2j * np.pi * hertz / RATE * np.arange(len(samples)))
    at_frequency = 2 * np.abs(np.dot(samples.astype(np.float64), wave_)) ** 2 / len(samples)
    return bool(at_frequency > 0.9 * np.sum(np.square(samples, dtype=np.float64)))


def tone(hertz: float, seconds: float, amplitude: float = 8000.0) -> Samples:
    """A sine of that frequency."""
    moments = np.arange(round(seconds * RATE))
    return np.asarray(amplitude * np.sin(2 * np.pi * hertz / RATE * moments), np.int16)
