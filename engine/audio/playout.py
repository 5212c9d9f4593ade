"""What the caller hears next, and what he has heard.

Speech is queued as it is synthesised and leaves one 20 ms frame at a time. A gate decides whether it may leave: it is
shut while an answer is prepared ahead of the end of the caller's turn, and while it is unclear whether the caller has
interrupted. Nothing here knows of sockets or of time: the line asks for a frame whenever one is due.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable

from engine.audio.blackbox import BlackBox
from engine.audio.format import FRAME_BYTES, SAMPLE_BYTES, SILENCE

FADE_SAMPLES = 64
"""Speech that is stopped fades out within 8 ms: no click, and hardly longer."""


class Playout:
    """The queue of one call's outgoing speech, kept in its black box. Positions are bytes since the call began."""

    def __init__(self, box: BlackBox) -> None:
        self._box = box
        self._open = True
        self._fade: bytes = b""
        self._room = asyncio.Event()
        self._drained = asyncio.Event()
        self.on_first_frame: Callable[[], None] | None = None
        """Called once, when the next frame of speech leaves."""

    @property
    def position(self) -> int:
        """Bytes of speech the caller has been sent."""
        return self._box.played

    @property
    def end(self) -> int:
        """Bytes of speech queued so far."""
        return self._box.queued

    @property
    def empty(self) -> bool:
        return self._box.played >= self._box.queued

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def speaking(self) -> bool:
        """Whether speech is leaving now."""
        return self._open and not self.empty

    def open(self) -> None:
        """Let speech leave."""
        self._open = True
        if self.empty:
            self._drained.set()

    def shut(self) -> None:
        """Stop at once; what is queued stays. The next frame fades what was being said out: no click."""
        if self.speaking:
            self._fade = _faded(self._box.peek(FRAME_BYTES))
        self._open = False

    def clear(self) -> int:
        """Drop what is queued; the position at which it stopped."""
        if self.speaking:
            self._fade = _faded(self._box.peek(FRAME_BYTES))
        self._box.truncate(self._box.played)
        self._room.set()
        self._drained.set()
        return self._box.played

    async def put(self, pcm: bytes) -> None:
        """Queue speech; waits while a minute of it is already waiting."""
        while self._box.room < len(pcm):
            self._room.clear()
            await self._room.wait()
        if pcm:
            self._drained.clear()
            self._box.queue(pcm)

    async def below(self, size: int) -> None:
        """Returns when at most ``size`` bytes wait to leave."""
        while self._box.queued - self._box.played > size:
            self._room.clear()
            await self._room.wait()

    async def drained(self) -> None:
        """Returns when all that was queued has left (or was dropped)."""
        while not self.empty:
            self._drained.clear()
            await self._drained.wait()

    def frame(self) -> bytes | None:
        """The next frame of speech, 320 bytes, padded with silence at the end; None when there is nothing to say."""
        if not self._open or self._box.played >= self._box.queued:
            if self._fade:
                frame, self._fade = self._fade, b""
                return frame
            return None
        frame = self._box.peek(FRAME_BYTES)
        self._box.advance(len(frame))
        if self.on_first_frame is not None:
            call, self.on_first_frame = self.on_first_frame, None
            call()
        if self._box.played >= self._box.queued:
            self._drained.set()
        self._room.set()
        return frame if len(frame) == FRAME_BYTES else frame + SILENCE[len(frame) :]


def _faded(frame: bytes) -> bytes:
    samples = array("h", frame[: FADE_SAMPLES * SAMPLE_BYTES])
    for i, sample in enumerate(samples):
        samples[i] = sample * (FADE_SAMPLES - i) // FADE_SAMPLES
    return samples.tobytes() + SILENCE[len(samples) * SAMPLE_BYTES :]
