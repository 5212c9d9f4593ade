"""The flight recorder of one call: shared memory that outlives the process which answers the call.

The ingress makes it (an anonymous memory file), the call's process maps it, and whoever takes the call over maps it
again. All that a successor needs lies in it: the latest checkpoint of the conversation, the caller's last minute of
audio, and the audio that is still to be played, each with its position. Writing costs a memory copy and no system call,
and nothing of it is lost by ``kill -9``.

Positions are bytes of engine audio since the call began; they only grow. Counters are single aligned 8-byte stores, so
that a reader never sees half of one; audio is written before its counter.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.errors import ProtocolError

RING_SECONDS: Final = 60
RING_BYTES: Final = RING_SECONDS * SAMPLE_RATE * SAMPLE_BYTES
CHECKPOINT_BYTES: Final = 192 * 1024
_MAGIC: Final = 0x544B_424F_5831_0001
_PAGE: Final = 4096

# Indices of the 8-byte counters in the first page.
_AT_MAGIC, _AT_CHECKPOINT, _AT_LENGTH_0, _AT_LENGTH_1, _AT_TICKS = 0, 1, 2, 3, 4
_AT_CALLER, _AT_QUEUED, _AT_PLAYED = 5, 6, 7

_CHECKPOINT_AT: Final = _PAGE
_CALLER_AT: Final = _CHECKPOINT_AT + 2 * CHECKPOINT_BYTES
_PLAYOUT_AT: Final = _CALLER_AT + RING_BYTES
SIZE: Final = _PLAYOUT_AT + RING_BYTES


class BlackBox:
    """One call's shared memory. Not thread-safe; one writer at a time (the call's process)."""

    def __init__(self, fd: int, *, fresh: bool = False) -> None:
        """Map the memory behind ``fd`` (which may be closed after). Raises ProtocolError where it is no black box."""
        if os.fstat(fd).st_size < SIZE:
            raise ProtocolError("the memory handed over is too small to be a call's black box")
        self._map = mmap.mmap(fd, SIZE)
        self._bytes = memoryview(self._map)
        self._counter = self._bytes[:_PAGE].cast("Q")
        if fresh:
            self._counter[_AT_MAGIC] = _MAGIC
        elif self._counter[_AT_MAGIC] != _MAGIC:
            self.close()
            raise ProtocolError("the memory handed over is not a call's black box")

    @classmethod
    def create(cls) -> tuple[BlackBox, int]:
        """A new, empty black box and the descriptor to hand on (the caller closes it)."""
        fd = os.memfd_create("trunkline-call", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, SIZE)
            return cls(fd, fresh=True), fd
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Unmap; idempotent."""
        self._counter.release()
        self._bytes.release()
        self._map.close()

    # -- a sign of life -----------------------------------------------------------------------------------------------

    @property
    def ticks(self) -> int:
        """Frames the call's process has handled: an onlooker sees by it whether the process lives."""
        return self._counter[_AT_TICKS]

    def tick(self) -> None:
        self._counter[_AT_TICKS] += 1

    # -- checkpoint ---------------------------------------------------------------------------------------------------

    def save(self, checkpoint: bytes) -> None:
        """Store a checkpoint; the one before it stays readable until this one is whole.

        Raises ProtocolError when it is larger than ``CHECKPOINT_BYTES``.
        """
        if len(checkpoint) > CHECKPOINT_BYTES:
            raise ProtocolError(f"a checkpoint of {len(checkpoint)} bytes is larger than {CHECKPOINT_BYTES}")
        number = self._counter[_AT_CHECKPOINT] + 1
        at = _CHECKPOINT_AT + (number & 1) * CHECKPOINT_BYTES
        self._bytes[at : at + len(checkpoint)] = checkpoint
        self._counter[_AT_LENGTH_0 + (number & 1)] = len(checkpoint)
        self._counter[_AT_CHECKPOINT] = number

    def load(self) -> bytes | None:
        """The latest whole checkpoint, None where there is none yet."""
        number = self._counter[_AT_CHECKPOINT]
        if number == 0:
            return None
        at = _CHECKPOINT_AT + (number & 1) * CHECKPOINT_BYTES
        return bytes(self._bytes[at : at + self._counter[_AT_LENGTH_0 + (number & 1)]])

    # -- what the caller said -----------------------------------------------------------------------------------------

    @property
    def caller_position(self) -> int:
        """Bytes of the caller's audio so far."""
        return self._counter[_AT_CALLER]

    def hear(self, pcm: bytes) -> None:
        """Keep more of the caller's audio."""
        position = self._counter[_AT_CALLER]
        self._put(_CALLER_AT, position, pcm)
        self._counter[_AT_CALLER] = position + len(pcm)

    def heard(self, start: int, end: int | None = None) -> bytes:
        """The caller's audio from ``start`` to ``end`` (default: now), cut to what the ring still holds."""
        end = self.caller_position if end is None else min(end, self.caller_position)
        start = max(start, 0, self.caller_position - RING_BYTES)
        return self._get(_CALLER_AT, start, end)

    # -- what is to be played -----------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Position up to which there is audio to play."""
        return self._counter[_AT_QUEUED]

    @property
    def played(self) -> int:
        """Position up to which it has been sent to the caller."""
        return self._counter[_AT_PLAYED]

    @property
    def room(self) -> int:
        """Bytes that can be queued now."""
        return RING_BYTES - (self._counter[_AT_QUEUED] - self._counter[_AT_PLAYED])

    def queue(self, pcm: bytes) -> None:
        """Queue audio; the caller has made sure that there is ``room``."""
        position = self._counter[_AT_QUEUED]
        self._put(_PLAYOUT_AT, position, pcm)
        self._counter[_AT_QUEUED] = position + len(pcm)

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes to play, or what there is of them."""
        played = self._counter[_AT_PLAYED]
        return self._get(_PLAYOUT_AT, played, min(played + size, self._counter[_AT_QUEUED]))

    def advance(self, size: int) -> None:
        """``size`` bytes have been played."""
        self._counter[_AT_PLAYED] += size

    def truncate(self, position: int) -> None:
        """Drop queued audio from ``position`` on (not before what has been played)."""
        self._counter[_AT_QUEUED] = max(position, self._counter[_AT_PLAYED])

    # -- rings --------------------------------------------------------------------------------------------------------

    def _put(self, base: int, position: int, pcm: bytes) -> None:
        if len(pcm) > RING_BYTES:
            position += len(pcm) - RING_BYTES
            pcm = pcm[-RING_BYTES:]
        at = position % RING_BYTES
        first = min(len(pcm), RING_BYTES - at)
        self._bytes[base + at : base + at + first] = pcm[:first]
        if first < len(pcm):
            self._bytes[base : base + len(pcm) - first] = pcm[first:]

    def _get(self, base: int, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        at = start % RING_BYTES
        first = min(end - start, RING_BYTES - at)
        head = bytes(self._bytes[base + at : base + at + first])
        return head if first == end - start else head + bytes(self._bytes[base : base + end - start - first])
