"""The telephone line of one call: a connected AudioSocket, served once every 20 ms.

One timer does all: it writes the frame that is due, then reads what has come. There is no reader callback and no
buffer between us and the kernel, so twenty calls wake a machine a thousand times a second and not two thousand, and a
call can be moved to another process between any two frames.

Outgoing frames keep a monotonic schedule with a lead of a frame or two; silence leaves when nothing is said. A process
that was late does not send the missed time at once (Asterisk would hand all of it to the caller's phone): it restores
the lead and goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Literal, Protocol

from engine.audio.audiosocket import AUDIO_RATES, Decoder, Frame, Kind, encode, encode_audio
from engine.audio.blackbox import BlackBox
from engine.audio.format import FRAME_SECONDS, SAMPLE_BYTES, SAMPLE_RATE, SILENCE
from engine.audio.inbound import Inbound
from engine.audio.playout import Playout
from engine.errors import AudioSocketError

Ending = Literal["caller_hung_up", "protocol_error", "stalled", "closed"]
"""Why a line is gone: the peer closed it; it sent what it may not; it stopped reading; we hung up."""

READ_BYTES = 16 * 1024
"""Most that is read in one tick (a second of audio); the rest waits in the kernel and slows a flood down."""

FLOOD_SECONDS = 3.0
"""How far the peer's audio may run ahead of time before it is dropped."""

STALL_SECONDS = 5.0
"""How long the peer may refuse to read."""

QUIET_SECONDS = 0.1
"""After this long without audio from the peer its silence is filled in, so that the caller's turn can end."""

HANGUP_SECONDS = 2.0
"""How long the peer may take to close after it was told that the call is over."""

SEND_BUFFER = 8 * 1024
"""Kernel buffer for what we send: small, so that a peer that does not read is noticed."""

logger = logging.getLogger(__name__)
_SILENT_FRAME = encode_audio(SILENCE)


class LineListener(Protocol):
    """Who is told what comes in. Called from the tick: must not wait."""

    def on_audio(self, pcm: bytes) -> None:
        """More of the caller's audio (engine audio, any length)."""

    def on_dtmf(self, digit: str) -> None:
        """A key."""

    def on_closed(self, ending: Ending) -> None:
        """The line is gone; nothing more follows."""


class Line:
    """One call's line. Owns the socket from ``start`` on."""

    def __init__(
        self,
        connection: socket.socket,
        box: BlackBox,
        playout: Playout,
        listener: LineListener,
        *,
        lead: int = 2,
        resynchronise: bool = False,
        frames_sent: int = 0,
    ) -> None:
        """``lead``: frames sent ahead (1–3). ``resynchronise``: the stream is taken over in its middle.

        ``frames_sent``: frames of silence that were sent a moment ago by whoever handed the connection over.
        """
        self._connection = connection
        self._box = box
        self._playout = playout
        self._listener = listener
        self._lead = lead
        self._decoder = Decoder(resynchronise=resynchronise)
        self._inbound = Inbound()
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[Ending] = self._loop.create_future()
        self._began = 0.0
        self._schedule = 0.0
        self._sent = min(frames_sent, lead - 1)
        self._unsent = b""
        self._stalled_at = 0.0
        self._last_audio = 0.0
        self._received = 0
        self._hanging_up = False
        self.dropped_bytes = 0
        """Audio of the peer that came too fast and was dropped."""
        self.late_ticks = 0
        """Ticks that came so late that the schedule had to be moved."""

    def start(self) -> None:
        """Send the first frames now and one every 20 ms from here on."""
        self._connection.setblocking(False)
        with contextlib.suppress(OSError):  # a Unix socket in a test has neither
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._began = self._schedule = self._last_audio = self._loop.time()
        self._tick()

    async def hang_up(self) -> Ending:
        """Tell the peer that we are done, and wait until it has closed. Idempotent; never raises."""
        if not self._closed.done() and not self._hanging_up:
            self._hanging_up = True
            with contextlib.suppress(OSError):
                self._connection.send(self._unsent + encode(Kind.HANGUP))
            self._unsent = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANGUP_SECONDS):
                await asyncio.shield(self._closed)
        self.close()
        return await self._closed

    def close(self) -> None:
        """Let go of the socket at once; idempotent."""
        self._end("closed")

    def detach(self) -> socket.socket:
        """Stop serving and give the socket back, open: another process goes on with it."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed.done():
            self._closed.set_result("closed")
        return self._connection

    @property
    def connection(self) -> socket.socket:
        """The socket, for handing a duplicate to an onlooker."""
        return self._connection

    # -- the tick -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._loop.time()
        try:
            if not self._hanging_up:
                self._write(now)
            self._read(now)
        except (ConnectionError, TimeoutError):
            self._end("caller_hung_up")
        except AudioSocketError as error:
            logger.warning("line: %s", error)
            with contextlib.suppress(OSError):
                self._connection.send(encode(Kind.HANGUP))
            self._end("protocol_error")
        except OSError as error:
            logger.warning("line: %s", error)
            self._end("caller_hung_up")
        if self._closed.done():
            return
        self._box.tick()
        # The next frame falls due when the lead has shrunk by one.
        due = self._schedule + (self._sent - self._lead + 1) * FRAME_SECONDS
        if self._hanging_up or due <= now:
            due = now + FRAME_SECONDS
        self._timer = self._loop.call_at(due, self._tick)

    def _write(self, now: float) -> None:
        due = self._lead + int((now - self._schedule) / FRAME_SECONDS + 0.05) - self._sent
        if due > self._lead + 1:
            # Late by more than the lead: the caller has heard a gap. Restore the lead, do not send the past.
            self.late_ticks += 1
            self._schedule = now
            self._sent = 0
            due = self._lead
        if self._unsent and not self._flush(now):
            self._sent += due  # time passes for a peer that does not read; what is to be said waits
            return
        while due > 0:
            due -= 1
            self._sent += 1
            frame = self._playout.frame()
            data = _SILENT_FRAME if frame is None else encode_audio(frame)
            try:
                sent = self._connection.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self._unsent = data[sent:]
                self._stalled_at = now
                self._sent += due
                return

    def _flush(self, now: float) -> bool:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            sent = 0
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            return True
        if sent:
            self._stalled_at = now
        elif now - self._stalled_at > STALL_SECONDS:
            self._end("stalled")
        return False

    def _read(self, now: float) -> None:
        if self._closed.done():
            return
        try:
            size = self._connection.recv_into(self._view)
        except BlockingIOError:
            size = -1
        if size == 0:
            self._end("caller_hung_up")
            return
        if size > 0 and not self._hanging_up:
            for frame in self._decoder.feed(self._view[:size]):
                self._receive(frame, now)
        if now - self._last_audio > QUIET_SECONDS and not self._hanging_up:
            self._listener.on_audio(SILENCE)

    def _receive(self, frame: Frame, now: float) -> None:
        kind = frame.kind
        if kind in AUDIO_RATES:
            pcm = self._inbound.engine_audio(kind, frame.payload, now)
            if not pcm:
                return
            self._last_audio = now
            self._received += len(pcm)
            if self._received > (now - self._began + FLOOD_SECONDS) * SAMPLE_RATE * SAMPLE_BYTES:
                self._received -= len(pcm)
                self.dropped_bytes += len(pcm)
                return
            self._listener.on_audio(pcm)
        elif kind == Kind.DTMF:
            digit = frame.payload.decode("ascii", "replace")
            if digit:
                self._listener.on_dtmf(digit)
        elif kind == Kind.HANGUP:
            self._end("caller_hung_up")
        elif kind == Kind.ERROR:
            raise AudioSocketError("the peer reported an error")
        else:
            raise AudioSocketError(f"a frame of kind 0x{kind:02x} may not follow the UUID")

    def _end(self, ending: Ending) -> None:
        if self._closed.done():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._closed.set_result(ending)
        with contextlib.suppress(OSError):  # an onlooker holds a duplicate: only this ends the connection itself
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._listener.on_closed(ending)
