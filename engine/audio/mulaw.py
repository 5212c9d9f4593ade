"""µ-law (ITU-T G.711), which arrives labelled as 8 kHz PCM where a dialplan dials AudioSocket without ``c(slin)``."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from engine.audio.format import FRAME_BYTES, SAMPLE_BYTES, SAMPLE_RATE

_BIAS: Final = 0x84
_CLIP: Final = 32635


def _expand(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS) << (code >> 4 & 7)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


def _compress(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    biased = min(abs(sample), _CLIP) + _BIAS
    exponent = biased.bit_length() - 8
    return ~(sign | exponent << 4 | (biased >> (exponent + 3) & 0x0F)) & 0xFF


_SAMPLES: Final = tuple(_expand(code) for code in range(256))
_SAMPLE_BYTES: Final = tuple(sample.to_bytes(2, "little", signed=True) for sample in _SAMPLES)
_codes: list[bytes] = []  # the table of 65,536 codes, made when first wanted: few calls ever need it


def decode_mulaw(payload: bytes) -> bytes:
    """Engine audio of µ-law bytes: two bytes out for each one in."""
    return b"".join(map(_SAMPLE_BYTES.__getitem__, payload))


def encode_mulaw(pcm: bytes) -> bytes:
    """µ-law bytes of engine audio: one byte out for two in."""
    if not _codes:
        _codes.append(bytes(_compress(code - 65536 if code > 32767 else code) for code in range(65536)))
    samples = array("H")
    samples.frombytes(pcm)
    return bytes(map(_codes[0].__getitem__, samples))


_DECIDING_SECONDS: Final = 0.1
"""Least time over which a ratio of bytes to seconds means anything."""
_PCM_BYTES_A_SECOND: Final = SAMPLE_RATE * SAMPLE_BYTES


def looks_like_mulaw(payloads: Sequence[bytes], seconds: float | None) -> bool:
    """Whether payloads labelled as 8 kHz PCM are µ-law.

    ``payloads``: successive payloads of one stream, ten or so. ``seconds``: the time they stand for, by the clock of
    the receiver (number of payloads times the mean distance of arrivals), None where it is not known.

    Read the wrong way, either coding is noise near full scale: quiet µ-law is bytes near 0xff and 0x7f, which as PCM
    are jumps between -1 and 32767; the high bytes of quiet PCM are 0x00 and 0xff, which as µ-law are jumps between
    -32124 and 0. So the reading that is quieter and smoother is the right one. A clock that says twice as many bytes
    come as µ-law has, or the packet size of 20 ms of PCM where there is no clock, overrules what bytes seem to say.
    """
    data = b"".join(payloads)
    if not data:
        return False
    if seconds is not None and seconds >= _DECIDING_SECONDS:
        if len(data) / seconds > 0.75 * _PCM_BYTES_A_SECOND:
            return False
    elif all(len(payload) == FRAME_BYTES for payload in payloads if payload):
        return False
    if data.count(data[0]) == len(data):  # a constant: as µ-law it is silence for two codes alone
        return data[0] in {0xFF, 0x7F}
    as_pcm = array("h")
    as_pcm.frombytes(data[: len(data) & ~1])
    as_mulaw = [_SAMPLES[code] for code in data]
    # Ordinary speech differs by 6 to 30 here; only clipped audio comes near 0, and there the clock is all there is.
    clocked = seconds is not None and seconds >= _DECIDING_SECONDS
    return _roughness(as_mulaw) < _roughness(as_pcm) + (1.0 if clocked else -0.5)


def _roughness(samples: Sequence[int]) -> float:
    """How little this looks like telephone audio: logarithm of level times relative movement from sample to sample."""
    if len(samples) < 2:
        return 0.0
    energy = sum(sample * sample for sample in samples) / len(samples)
    movement = sum((b - a) * (b - a) for a, b in pairwise(samples)) / (len(samples) - 1)
    return math.log1p(energy) + math.log1p(movement)


class MuLawDetector:
    """Decides once, after the first ``payloads`` payloads of a stream, whether it is µ-law.

    Ask ``mulaw`` after each ``add``: None while undecided. Silence that could be either decides nothing before
    ``patience`` payloads.
    """

    __slots__ = ("_first", "_last", "_patience", "_payloads", "_wanted", "mulaw")

    def __init__(self, *, payloads: int = 10, patience: int = 25) -> None:
        self._payloads: list[bytes] = []
        self._wanted = payloads
        self._patience = patience
        self._first = 0.0
        self._last = 0.0
        self.mulaw: bool | None = None
        """True: µ-law. False: PCM. None: not known yet."""

    def add(self, payload: bytes, at: float | None = None) -> bool | None:
        """Another payload, received ``at`` (monotonic seconds). Returns ``mulaw``."""
        if self.mulaw is not None or not payload:
            return self.mulaw
        if len(payload) == FRAME_BYTES and not self._payloads and payload.count(0) == FRAME_BYTES:
            self.mulaw = False  # digital silence as 20 ms of PCM: nearly every call begins so
            return False
        if not self._payloads:
            self._first = at if at is not None else 0.0
        self._last = at if at is not None else 0.0
        self._payloads.append(payload)
        count = len(self._payloads)
        if count < self._wanted:
            return None
        span = self._last - self._first
        seconds = span * count / (count - 1) if at is not None and span > 0 else None
        if _is_constant(self._payloads) and count < self._patience:
            return None
        self.mulaw = looks_like_mulaw(self._payloads, seconds)
        self._payloads.clear()
        return self.mulaw


def _is_constant(payloads: Sequence[bytes]) -> bool:
    code = payloads[0][0]
    return all(payload.count(code) == len(payload) for payload in payloads)
