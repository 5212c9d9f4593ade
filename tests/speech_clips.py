"""Recorded utterances for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.audio.wav import read_wav

_FOLDER: Final = Path(__file__).parent / "fixtures" / "speech"

SAID: Final = {
    "order": "I want to check my order number four two seven one.",
    "yes": "Yes.",
    "parcel_noisy": "I did not receive my parcel.",
}
"""What is said in each clip."""


def clip(name: str) -> bytes:
    """Engine audio of ``tests/fixtures/speech/{name}.wav``."""
    return read_wav(_FOLDER / f"{name}.wav")


def frames(pcm: bytes, size: int = 320) -> list[bytes]:
    """``pcm`` in pieces of ``size`` bytes, the last one shorter."""
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]
