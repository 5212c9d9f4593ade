"""The AudioSocket wire, sans-IO: bytes in, frames out, and the other way round.

A frame is a kind (1 byte), a length (2 bytes, big endian) and a payload. What a peer may send is decided from the
three bytes of the header, before any payload is kept, so a stranger cannot make a decoder hold more than one frame.

Tolerated: audio of any length (the size follows the caller's packet time; an empty one too), µ-law labelled as 8 kHz
audio (see ``engine.audio.mulaw``), error frames with or without a code. Refused with AudioSocketError: a kind nobody
has defined, a UUID that is not 16 bytes, a DTMF frame that is not one byte, half a sample at a rate where it must be
PCM, a hangup or an error with a payload beyond ``MAX_NOTICE_BYTES``, a payload beyond the decoder's limit.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from engine.audio.format import FRAME_BYTES, SILENCE
from engine.audio.mulaw import MuLawDetector, looks_like_mulaw
from engine.errors import AudioSocketError

__all__ = [
    "AUDIO_RATES",
    "HANGUP_FRAME",
    "HEADER_BYTES",
    "SILENCE_FRAME",
    "AudioSocketError",
    "Decoder",
    "Frame",
    "Kind",
    "MuLawDetector",
    "encode",
    "encode_audio",
    "looks_like_mulaw",
]


class Kind(IntEnum):
    """What a frame carries."""

    HANGUP = 0x00
    """Engine to Asterisk: the socket is done with, the dialplan goes on. Asterisk never sends it."""
    UUID = 0x01
    """Asterisk, first: the 16 bytes of the call's UUID."""
    DTMF = 0x03
    """Asterisk: one ASCII byte, the key that was pressed."""
    AUDIO_8K = 0x10
    AUDIO_12K = 0x11
    AUDIO_16K = 0x12
    AUDIO_24K = 0x13
    AUDIO_32K = 0x14
    AUDIO_44K = 0x15
    AUDIO_48K = 0x16
    AUDIO_96K = 0x17
    AUDIO_192K = 0x18
    ERROR = 0xFF
    """Defined, not seen on a real wire; sent to Asterisk it fails the call."""


AUDIO_RATES: Final[dict[int, int]] = {
    0x10: 8000,
    0x11: 12000,
    0x12: 16000,
    0x13: 24000,
    0x14: 32000,
    0x15: 44100,
    0x16: 48000,
    0x17: 96000,
    0x18: 192000,
}
"""Samples a second of each kind of audio."""

HEADER_BYTES: Final = 3
UUID_BYTES: Final = 16
MAX_NOTICE_BYTES: Final = 16
"""Longest payload tolerated in a hangup or an error frame."""
MAX_PAYLOAD: Final = 0xFFFF

_AUDIO_HEADER: Final = b"\x10\x01\x40"  # kind 0x10, 320 bytes
_AUDIO_FRAME_BYTES: Final = HEADER_BYTES + FRAME_BYTES

# Packet times a stream may have where its frames are searched for (telephone codecs; µ-law takes half the bytes).
_SHORTEST_PACKET_SECONDS: Final = 0.01
_LONGEST_PACKET_SECONDS: Final = 0.06


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the wire. ``kind`` is a value of ``Kind``; audio is signed 16-bit little-endian mono."""

    kind: int
    payload: bytes


def encode(kind: int, payload: bytes = b"") -> bytes:
    """A frame's bytes, to be written in one write. Raises AudioSocketError where the payload does not fit a frame."""
    size = len(payload)
    if size > MAX_PAYLOAD:
        raise AudioSocketError(f"a payload of {size} bytes does not fit an AudioSocket frame")
    return bytes((kind, size >> 8, size & 0xFF)) + payload


def encode_audio(pcm: bytes) -> bytes:
    """The frame of 20 ms of engine audio (exactly 320 bytes; the length is not checked: this is the hot path)."""
    return _AUDIO_HEADER + pcm


SILENCE_FRAME: Final = encode_audio(SILENCE)
"""20 ms of silence as it goes over the wire."""
HANGUP_FRAME: Final = encode(Kind.HANGUP)
"""The frame that ends the engine's part of a call."""


def _limits(max_payload: int) -> list[tuple[int, int] | None]:
    """For each kind the shortest and the longest payload, None for a kind nobody has defined."""
    limits: list[tuple[int, int] | None] = [None] * 256
    for kind in AUDIO_RATES:
        limits[kind] = (0, max_payload)
    limits[Kind.HANGUP] = (0, min(MAX_NOTICE_BYTES, max_payload))
    limits[Kind.ERROR] = (0, min(MAX_NOTICE_BYTES, max_payload))
    limits[Kind.UUID] = (UUID_BYTES, UUID_BYTES)
    limits[Kind.DTMF] = (1, 1)
    return limits


def _plausible_sizes() -> list[tuple[int, int] | None]:
    """For each kind of audio the payload sizes that a telephone's packet times give."""
    sizes: list[tuple[int, int] | None] = [None] * 256
    for kind, rate in AUDIO_RATES.items():
        shortest = int(rate * 2 * _SHORTEST_PACKET_SECONDS)
        sizes[kind] = (shortest // 2 if kind == Kind.AUDIO_8K else shortest, int(rate * 2 * _LONGEST_PACKET_SECONDS))
    return sizes


_SIZES: Final = _plausible_sizes()


class Decoder:
    """Turns the bytes of one connection into frames.

    ``max_payload``: longest payload accepted, in bytes.

    ``resynchronise``: for a reader that comes into a stream in the middle of it. The decoder first looks for the frame
    pattern: audio headers of one kind and one plausible size, each where the one before says it must be, with DTMF
    frames between them at most. Two such headers are believed (24 bits that repeat at a distance they themselves name);
    a run of zeros, which reads as one hangup after another, never is, because only audio is looked for. What was passed
    over is counted in ``skipped``. Should the stream stop making sense later, it is searched again rather than refused.

    ``max_buffer``: bytes searched in vain before AudioSocketError, with ``resynchronise`` only.
    """

    __slots__ = (
        "_candidates",
        "_fault",
        "_limits",
        "_max_buffer",
        "_needed",
        "_resynchronise",
        "_scanned",
        "_searching",
        "_tail",
        "skipped",
    )

    def __init__(
        self, *, max_payload: int = MAX_PAYLOAD, resynchronise: bool = False, max_buffer: int = 4 * (MAX_PAYLOAD + 1)
    ) -> None:
        self._limits = _limits(max_payload)
        self._tail = bytearray()
        self._needed = 0  # length of the tail from which on it holds a whole frame, or a whole header
        self._fault: AudioSocketError | None = None
        self._resynchronise = resynchronise
        self._searching = resynchronise
        self._max_buffer = max_buffer
        self._scanned = 0  # offsets of the tail that were looked at while searching
        self._candidates: list[tuple[int, int]] = []  # heap of (length of tail needed for a verdict, offset)
        self.skipped = 0
        """Bytes passed over while the frame pattern was searched for."""

    @property
    def pending(self) -> int:
        """Bytes kept until the rest of their frame arrives."""
        return len(self._tail)

    @property
    def synchronised(self) -> bool:
        """Whether frame boundaries are known; always so without ``resynchronise``."""
        return not self._searching

    @property
    def fault(self) -> AudioSocketError | None:
        """What the peer did wrong, known as soon as the frames ahead of it were returned."""
        return self._fault

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """The frames that ``data`` completes, in order.

        Raises AudioSocketError on what a peer may not send. Frames ahead of the fault are never lost: where there are
        any, they are returned and the fault is raised by the next call (and by every one after it).
        """
        if not self._tail and not self._searching and self._fault is None:
            if len(data) == _AUDIO_FRAME_BYTES and data[:HEADER_BYTES] == _AUDIO_HEADER:  # nearly every time
                return [Frame(0x10, bytes(data[HEADER_BYTES:]))]
            frames: list[Frame] = []
            consumed = self._parse(data, frames)
            if consumed < len(data):
                self._tail += data[consumed:]
            return self._finish(frames)
        return self._feed_tail(data)

    def _feed_tail(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """``feed`` where bytes of before are waiting, or the frame pattern is being searched for."""
        frames: list[Frame] = []
        if self._fault is None:
            self._tail += data
            if not self._searching and len(self._tail) >= self._needed:
                self._parse_tail(frames)
        return self._finish(frames)

    def _finish(self, frames: list[Frame]) -> list[Frame]:
        """Search where the stream makes no sense, and return the frames or raise the fault."""
        if self._searching:
            self._search_and_parse(frames)
        if self._fault is not None:
            self._tail.clear()
            if not frames:
                raise self._fault
        return frames

    def _parse_tail(self, frames: list[Frame]) -> None:
        with memoryview(self._tail) as view:
            consumed = self._parse(view, frames)
        del self._tail[:consumed]

    def _parse(self, data: bytes | bytearray | memoryview, frames: list[Frame]) -> int:
        """Append the whole frames of ``data``; returns how many bytes they took. Sets the fault, or starts a search."""
        limits = self._limits
        end = len(data)
        at = 0
        while end - at >= HEADER_BYTES:
            kind = data[at]
            size = data[at + 1] << 8 | data[at + 2]
            limit = limits[kind]
            if limit is None or not limit[0] <= size <= limit[1] or (size & 1 and 0x10 < kind <= 0x18):
                self._refuse(kind, size)
                return at
            stop = at + HEADER_BYTES + size
            if stop > end:
                self._needed = stop - at
                return at
            frames.append(Frame(kind, bytes(data[at + HEADER_BYTES : stop])))
            at = stop
        self._needed = HEADER_BYTES
        return at

    def _refuse(self, kind: int, size: int) -> None:
        if self._resynchronise:
            self._searching = True
            self._scanned = 0
            self._candidates.clear()
            return
        limit = self._limits[kind]
        if limit is None:
            self._fault = AudioSocketError(f"kind 0x{kind:02x} is not one of AudioSocket's")
        elif limit[0] <= size <= limit[1]:
            self._fault = AudioSocketError(f"{size} bytes are not whole samples (kind 0x{kind:02x})")
        else:
            wanted = f"{limit[0]}" if limit[0] == limit[1] else f"{limit[0]} to {limit[1]}"
            self._fault = AudioSocketError(f"{size} bytes in a frame of kind 0x{kind:02x}, which takes {wanted}")

    def _search_and_parse(self, frames: list[Frame]) -> None:
        """Look for the frame pattern in the tail and read on from there; again, where the stream loses it again."""
        while self._searching:
            offset = self._search()
            if offset is None:
                if len(self._tail) > self._max_buffer:
                    self._fault = AudioSocketError(f"no AudioSocket frames within {len(self._tail)} bytes")
                    self._candidates.clear()
                return
            self.skipped += offset
            del self._tail[:offset]
            self._searching = False
            self._candidates.clear()
            self._parse_tail(frames)

    def _search(self) -> int | None:
        """Offset in the tail of the first frame, None while that cannot be said.

        Each offset is looked at once, and each candidate again only when the bytes that decide about it are there, so
        that a peer who sends byte by byte costs no more than one who does not.
        """
        tail = self._tail
        end = len(tail)
        for offset in range(self._scanned, end - HEADER_BYTES + 1):
            if _is_plausible(tail, offset):
                heapq.heappush(self._candidates, (offset + HEADER_BYTES, offset))
        self._scanned = max(self._scanned, end - HEADER_BYTES + 1)
        while self._candidates and self._candidates[0][0] <= end:
            _, offset = heapq.heappop(self._candidates)
            needed = _follow(tail, offset)
            if needed == 0:
                return offset
            if needed is not None:
                heapq.heappush(self._candidates, (needed, offset))
        return None


def _is_plausible(data: bytearray, at: int) -> bool:
    """Whether a header may stand here: audio of a telephone's packet time, or a key."""
    kind = data[at]
    size = data[at + 1] << 8 | data[at + 2]
    sizes = _SIZES[kind]
    if sizes is None:
        return kind == Kind.DTMF and size == 1
    return sizes[0] <= size <= sizes[1] and not size & 1


def _follow(data: bytearray, at: int) -> int | None:
    """Follow headers from ``at``: 0 when two equal audio headers were met, None when the trail breaks.

    Otherwise the length of data from which on more can be said.
    """
    audio: bytes | None = None
    end = len(data)
    while at + HEADER_BYTES <= end:
        if not _is_plausible(data, at):
            return None
        size = data[at + 1] << 8 | data[at + 2]
        if data[at] != Kind.DTMF:
            header = bytes(data[at : at + HEADER_BYTES])
            if audio is None:
                audio = header
            else:
                return 0 if audio == header else None
        at += HEADER_BYTES + size
    return at + HEADER_BYTES
