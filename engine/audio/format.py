"""The one shape of audio inside the engine: signed 16-bit little-endian mono at 8 kHz, in frames of 20 ms."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 8000
"""Samples a second."""

SAMPLE_BYTES: Final = 2
"""Bytes a sample."""

FRAME_SECONDS: Final = 0.02
"""Duration of a frame."""

FRAME_SAMPLES: Final = 160
"""Samples in a frame."""

FRAME_BYTES: Final = 320
"""Bytes in a frame."""

SILENCE: Final = bytes(FRAME_BYTES)
"""A frame of silence."""


def seconds_of(pcm_bytes: int) -> float:
    """Duration in seconds of so many bytes of engine audio."""
    return pcm_bytes / (SAMPLE_RATE * SAMPLE_BYTES)
