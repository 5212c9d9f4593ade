"""A toy language that a stand-in recogniser really recognises: each word is a fifth of a second of one constant level.

So a test can send words as audio and see which of them arrived, in which order, and whether one was cut or lost.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.audio.format import SAMPLE_RATE

WORDS: Final = ("nil", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
WORD_SAMPLES: Final = SAMPLE_RATE // 5
GAP_SAMPLES: Final = SAMPLE_RATE // 10
_STEP: Final = 1000


def pause(seconds: float) -> bytes:
    """Silence as engine audio."""
    return bytes(2 * int(seconds * SAMPLE_RATE))


def spoken(*words: str) -> bytes:
    """``words`` as engine audio, a tenth of a second of silence after each."""
    return b"".join(
        np.full(WORD_SAMPLES, (WORDS.index(word) + 2) * _STEP, "<i2").tobytes() + bytes(2 * GAP_SAMPLES)
        for word in words
    )


def recognised(pcm: bytes) -> list[tuple[str, float]]:
    """The words in ``pcm`` and where each ends, in seconds. A part of a word is ``…``; other sound is one ``noise``."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    if not len(samples):
        return []
    edges = np.flatnonzero(np.diff(samples)) + 1
    found: list[tuple[str, float]] = []
    for start, end in zip((0, *edges), (*edges, len(samples)), strict=True):
        level, length = int(samples[start]), end - start
        index = level // _STEP - 2
        toy = length >= 80 and level % _STEP == 0 and 0 <= index < len(WORDS)
        if toy:
            found.append((WORDS[index] if length == WORD_SAMPLES else "…", end / SAMPLE_RATE))
        elif abs(level) > 500 and not found:
            found.append(("noise", len(samples) / SAMPLE_RATE))
    return found
