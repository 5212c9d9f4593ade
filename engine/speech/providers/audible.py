"""Whether there is anything to be recognised: networks of Whisper's kind answer "You" or "Thank you." to silence."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.audio.format import SAMPLE_RATE, seconds_of

_SILENT_RMS: Final = 40.0
"""Where no 30 ms are louder than this (-58 dBFS) nothing was said."""


def is_audible(pcm: bytes) -> bool:
    """Whether some 30 ms of engine audio are louder than silence."""
    if seconds_of(len(pcm)) < 0.03:
        return False
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    block = SAMPLE_RATE * 3 // 100
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    return bool(np.square(blocks).mean(axis=1).max() > _SILENT_RMS**2)
