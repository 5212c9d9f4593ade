"""Engine audio from and to other rates, and µ-law.

A stream is converted by a short filter in numpy (soxr runs 40 to 120 ms behind on a stream, too late for a
conversation); a whole piece by soxr, which is imported by the first such conversion, so that a call never loads it.
"""

from __future__ import annotations

from functools import cache
from math import ceil, gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.audio.format import SAMPLE_RATE

_REJECTION_DB: Final = 60.0
_TRANSITION: Final = 0.15
"""Width of the filter's slope as a part of the lower rate: 3400 to 4600 Hz for engine audio. What is mirrored between
3400 and 4000 Hz lies above the telephone band, and the wider slope halves the delay."""


class StreamResampler:
    """One direction of one call's audio, from one rate to another, without seams between the pieces.

    Runs behind by half its filter, about 1.5 ms; each piece of 20 ms gives exactly its 20 ms.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self.from_rate = from_rate
        self.to_rate = to_rate
        divisor = gcd(from_rate, to_rate)
        self._up = to_rate // divisor
        self._down = from_rate // divisor
        self._bank = _filter_bank(from_rate, to_rate)
        self._length = self._bank.shape[1]
        self._heard = np.zeros(0, np.float32)
        self._position = 0
        self.reset()

    def reset(self) -> None:
        """Start a new stream."""
        self._heard = np.zeros(self._length - 1, np.float32)
        self._position = 0  # of the next output sample, in steps of 1 / (from_rate · up), from the first new sample on

    def feed(self, pcm: bytes) -> bytes:
        """Whole 16-bit mono samples in, the samples that are ready out. Raises ValueError on half a sample."""
        fresh = np.frombuffer(pcm, "<i2")
        if self.from_rate == self.to_rate:
            return pcm
        samples = np.concatenate([self._heard, fresh], dtype=np.float32)
        end = len(fresh) * self._up
        positions = np.arange(self._position, end, self._down)
        self._position += len(positions) * self._down - end
        self._heard = samples[len(samples) - self._length + 1 :]
        if not len(positions):
            return b""
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._length)
        if self._up == 1:
            output = windows[positions[0] :: self._down][: len(positions)] @ self._bank[0]
        else:
            output = np.einsum("nk,nk->n", windows[positions // self._up], self._bank[positions % self._up])
        return _int16(output)


@cache
def _filter_bank(from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """(phase, tap): the filter for each place of an output sample between two input samples, latest sample last."""
    lower = min(from_rate, to_rate)
    up = to_rate // gcd(from_rate, to_rate)
    # Kaiser's own formulae for the length and the shape of his window.
    length = ceil((_REJECTION_DB - 7.95) / (14.36 * _TRANSITION * lower / from_rate)) + 1
    taps = length * up
    window = np.kaiser(taps, 0.1102 * (_REJECTION_DB - 8.7))
    at = (np.arange(taps) - (taps - 1) / 2) / (from_rate * up)
    prototype = np.sinc(at * lower) * window
    bank = prototype.reshape(length, up).T[:, ::-1]
    return np.ascontiguousarray(bank / bank.sum(axis=1, keepdims=True), np.float32)


def to_engine(pcm: bytes, rate: int) -> bytes:
    """A whole piece of 16-bit mono audio at ``rate`` Hz as engine audio."""
    return pcm if rate == SAMPLE_RATE else _whole(pcm, rate, SAMPLE_RATE)


def from_engine(pcm: bytes, rate: int) -> bytes:
    """A whole piece of engine audio as 16-bit mono audio at ``rate`` Hz."""
    return pcm if rate == SAMPLE_RATE else _whole(pcm, SAMPLE_RATE, rate)


def engine_to_float(pcm: bytes, rate: int) -> NDArray[np.float32]:
    """A whole piece of engine audio as float32 in -1..1 at ``rate`` Hz, as models take it."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    return samples if rate == SAMPLE_RATE or not len(samples) else _resample(samples, SAMPLE_RATE, rate)


def float_to_engine(samples: NDArray[np.float32], rate: int) -> bytes:
    """A whole piece of mono float audio in -1..1 at ``rate`` Hz as engine audio; what is louder is clipped."""
    if rate != SAMPLE_RATE and len(samples):
        samples = _resample(samples, rate, SAMPLE_RATE)
    return _int16(samples * np.float32(32768))


def _int16(samples: NDArray[np.float32]) -> bytes:
    rounded: NDArray[np.int16] = np.clip(np.rint(samples), -32768, 32767).astype("<i2")
    return rounded.tobytes()


def _whole(pcm: bytes, from_rate: int, to_rate: int) -> bytes:
    import soxr  # noqa: PLC0415  late, for the call processes that never need it

    samples = np.frombuffer(pcm, "<i2")
    if not len(samples):
        return b""
    converted: NDArray[np.int16] = soxr.resample(samples, from_rate, to_rate, quality="HQ")
    return converted.astype("<i2", copy=False).tobytes()


def _resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    import soxr  # noqa: PLC0415  late, for the call processes that never need it

    return np.asarray(soxr.resample(samples, from_rate, to_rate, quality="HQ"), np.float32)
