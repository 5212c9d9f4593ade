"""The silence that voices of others put round what they say, taken off while it streams."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE

_BLOCK: Final = SAMPLE_RATE // 200
_BLOCK_BYTES: Final = _BLOCK * SAMPLE_BYTES
_AUDIBLE: Final = 100.0
"""Loudness of 5 ms that is no longer silence: -50 dBFS."""
_LEAD_BLOCKS: Final = 2
_TAIL_BLOCKS: Final = 20
"""10 ms are kept in front, 100 ms behind, as of the embedded voices."""


class QuietEdges:
    """One piece of speech as engine audio: ``feed`` its chunks, then ``finish``; what comes out begins with sound.

    A pause within the speech is held until something follows it, so that the silence behind the last word can go.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._quiet = bytearray()
        self._begun = False

    def feed(self, pcm: bytes) -> bytes:
        """Whole samples in, what is certain to be heard out."""
        data = self._rest + pcm
        whole = len(data) // _BLOCK_BYTES * _BLOCK_BYTES
        self._rest = data[whole:]
        if not whole:
            return b""
        samples = np.frombuffer(data, "<i2", whole // SAMPLE_BYTES).astype(np.float32).reshape(-1, _BLOCK)
        audible = np.flatnonzero(np.square(samples).mean(axis=1) > _AUDIBLE**2)
        if not len(audible):
            self._quiet += data[:whole]
            if not self._begun:
                del self._quiet[: -_LEAD_BLOCKS * _BLOCK_BYTES]
            return b""
        end = (int(audible[-1]) + 1) * _BLOCK_BYTES
        heard = bytes(self._quiet) + data[:end]
        if not self._begun:
            start = len(self._quiet) + (int(audible[0]) - _LEAD_BLOCKS) * _BLOCK_BYTES
            heard = heard[max(0, start) :]
            self._begun = True
        self._quiet = bytearray(data[end:whole])
        return heard

    def finish(self) -> bytes:
        """What is left, without the silence."""
        return bytes(self._quiet[: _TAIL_BLOCKS * _BLOCK_BYTES]) if self._begun else b""
