"""One AudioSocket connection as Asterisk holds it: streams, hears, keeps count of what would fail a call.

Sends a 20 ms frame every 20 ms from the connect to the end, silence where nothing is said, each frame in one piece;
closes as Asterisk does when a caller hangs up; leaves when the engine sends 0x00. What Asterisk would fail on (another
kind than audio and 0x00, an empty frame, a frame that pauses in its middle) is a violation.

All times are seconds of ``time.monotonic()``. A frame's arrival is the kernel's: that this process is late to read
does not make a frame late.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import uuid
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from engine.audio.audiosocket import SILENCE_FRAME, Decoder, Frame, Kind, encode, encode_audio
from engine.audio.format import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE
from engine.errors import AudioSocketError, TrunklineError
from ops.heard import Heard, voiced_span
from ops.metronome import Metronome

CONNECT_SECONDS: Final = 5.0
PAUSE_IN_FRAME: Final = 0.005
"""A frame whose payload pauses longer fails the call in Asterisk."""

Ending = Literal["caller", "engine", "eof", "reset", "protocol"]
"""Who ended the call: we; the engine by 0x00; the engine by closing or breaking the connection, or by nonsense."""

_STAMP: Final = 35
"""SO_TIMESTAMPNS of Linux (asm-generic/socket.h), which Python does not name."""
_STAMP_FORMAT: Final = struct.Struct("@qq")
_STAMP_SPACE: Final = socket.CMSG_SPACE(_STAMP_FORMAT.size)

_scratch = memoryview(bytearray(1 << 16))


def _receive(connection: socket.socket) -> tuple[int, float]:
    """Bytes read into ``_scratch``, and when the last of them arrived. Raises OSError."""
    at, wall = time.monotonic(), time.time()
    size, notes, _, _ = connection.recvmsg_into([_scratch], _STAMP_SPACE)
    for level, kind, stamp in notes:
        if level == socket.SOL_SOCKET and kind == _STAMP and len(stamp) == _STAMP_FORMAT.size:
            seconds, nanoseconds = _STAMP_FORMAT.unpack(stamp)
            waited = wall - seconds - nanoseconds * 1e-9
            at -= waited if 0 < waited < 1 else 0.0
    return size, at


class NotConnectedError(TrunklineError):
    """No engine takes the call."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Something the caller said."""

    started: float
    """When its first frame left."""
    first_voiced: float
    """Time of its first voiced sample; of its first sample where none is."""
    last_voiced: float
    """Time of its last voiced sample; of its last sample where none is."""
    ended: float
    """Time of its last sample."""


@dataclass(slots=True)
class _Speech:
    frames: deque[bytes]
    span: tuple[int, int]
    samples: int
    first: int
    done: asyncio.Future[Spoken]


class Leg:
    """A connection, from ``connect`` to its end."""

    def __init__(self, call_id: uuid.UUID, *, keep_audio: bool = True) -> None:
        """``keep_audio``: whether audio is kept, or its times alone."""
        self.call_id = call_id
        self.heard = Heard(keep=keep_audio)
        self.sent: list[bytes] = []
        """Frames that were said, as they went over the wire."""
        self.sent_times = array("d")
        """When each frame left."""
        self.spoken: list[Spoken] = []
        self.violations: list[str] = []
        """What the engine sent that would have failed the call in Asterisk."""
        self.ending: Ending | None = None
        self.ended_at = 0.0
        self.dialled_at = 0.0
        """When the connect was begun."""
        self.frames_refused = 0
        """Frames that the engine did not read in time and that were dropped."""
        self.blurred = 0
        """Frames whose arrival is known only as that of a later one, because we came late to read them."""
        self._keep = keep_audio
        self._metronome: Metronome | None = None
        self._socket: socket.socket | None = None
        self._decoder = Decoder()
        self._half_since = 0.0
        self._unsent = b""
        self._speech: deque[_Speech] = deque()
        self._keys: deque[bytes] = deque()
        self._waiters: set[asyncio.Future[None]] = set()

    async def connect(self, address: tuple[str, int], metronome: Metronome) -> None:
        """Connect, show the UUID and begin to stream. Raises NotConnectedError."""
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # a kernel that does not stamp: the time of the read has to do
            connection.setsockopt(socket.SOL_SOCKET, _STAMP, 1)
        self._socket = connection
        self.dialled_at = time.monotonic()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(connection, address)
            connection.send(encode(Kind.UUID, self.call_id.bytes))
        except (OSError, TimeoutError) as error:
            raise NotConnectedError(
                f"no engine listens at {address[0]}:{address[1]} ({error or 'no answer'})"
            ) from error
        loop.add_reader(connection, self._readable)
        self._metronome = metronome
        metronome.join(self._beat)

    def hang_up(self) -> None:
        """Close, as Asterisk does when the caller puts down. Idempotent."""
        self._end("caller", time.monotonic())

    @property
    def dropped(self) -> bool:
        """Whether the call was lost: neither side hung up."""
        return self.ending in {"eof", "reset", "protocol"}

    def _end(self, ending: Ending, at: float) -> None:
        if self.ending is not None:
            return
        self.ending, self.ended_at = ending, at
        if self._metronome is not None:
            self._metronome.leave(self._beat)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for speech in self._speech:
            speech.done.cancel()
        self._speech.clear()
        self._notify()

    # ---- what the caller says

    def begin_speaking(self, pcm: bytes) -> asyncio.Future[Spoken]:
        """Queue engine audio; the future is done when the last frame has been said, cancelled when the call ends."""
        pcm += bytes(-len(pcm) % FRAME_BYTES)
        frames = deque(encode_audio(pcm[at : at + FRAME_BYTES]) for at in range(0, len(pcm), FRAME_BYTES))
        samples = len(frames) * FRAME_SAMPLES
        done: asyncio.Future[Spoken] = asyncio.get_running_loop().create_future()
        self._speech.append(_Speech(frames, voiced_span(pcm) or (0, samples - 1), samples, -1, done))
        if self.ending is not None or not frames:
            done.cancel()
            self._speech.pop()
        return done

    def press(self, key: str) -> None:
        """Press a key of the telephone."""
        self._keys.append(encode(Kind.DTMF, key.encode("ascii")))

    def _beat(self, _due: float) -> None:
        """20 ms have passed: one frame."""
        frame = SILENCE_FRAME
        if self._speech:
            speech = self._speech[0]
            if speech.first < 0:
                speech.first = len(self.sent_times)
            frame = speech.frames.popleft()
        now = time.monotonic()
        self.sent_times.append(now)
        if self._keep:
            self.sent.append(frame)
        while self._keys:
            self._write(self._keys.popleft())
        self._write(frame)
        if self._speech and not self._speech[0].frames:
            self._finish(self._speech.popleft())

    def _finish(self, speech: _Speech) -> None:
        def at(sample: int) -> float:
            frame, position = divmod(sample, FRAME_SAMPLES)
            return self.sent_times[speech.first + frame] + position / SAMPLE_RATE

        spoken = Spoken(at(0), at(speech.span[0]), at(speech.span[1]), at(speech.samples - 1))
        self.spoken.append(spoken)
        if not speech.done.done():
            speech.done.set_result(spoken)

    def _write(self, frame: bytes) -> None:
        if self._socket is None:
            return
        if self._unsent:  # the engine does not read: finish the frame that was cut, drop this one
            self.frames_refused += 1
            frame = self._unsent
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            self.frames_refused += not self._unsent
            return
        except OSError:
            return  # the reader learns the same, after what came before it
        self._unsent = frame[sent:]

    # ---- what the caller hears

    def _readable(self) -> None:
        assert self._socket is not None
        try:
            size, at = _receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            self._end("reset", time.monotonic())
            return
        if not size:
            self._end("eof", at)
            return
        try:
            frames = self._decoder.feed(_scratch[:size])
        except AudioSocketError as error:
            self.violations.append(str(error))
            self._end("protocol", at)
            return
        self._look_for_pauses(bool(frames), at)
        self._take(frames, at)

    def _look_for_pauses(self, completed: bool, at: float) -> None:
        if self._half_since and completed:
            if at - self._half_since > PAUSE_IN_FRAME:
                self.violations.append(f"a frame paused for {(at - self._half_since) * 1000:.0f} ms")
            self._half_since = 0.0
        if self._decoder.pending and not self._half_since:
            self._half_since = at

    def _take(self, frames: list[Frame], at: float) -> None:
        self.blurred += max(0, len(frames) - 1)
        began = False
        for frame in frames:
            if frame.kind == Kind.HANGUP:
                self._end("engine", at)
                return
            if frame.kind != Kind.AUDIO_8K or not frame.payload:
                self.violations.append(f"a frame of kind 0x{frame.kind:02x} with {len(frame.payload)} bytes")
                continue
            began |= self.heard.add(frame.payload, at)
        if began or len(self.heard.times) <= len(frames):
            self._notify()

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _change(self, until: float) -> None:
        """Until something begins or ends, or the time has come."""
        remaining = until - time.monotonic()
        if remaining <= 0:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=remaining)
        finally:
            self._waiters.discard(waiter)
