"""One RTP stream in each direction: µ-law at 8 kHz and telephone events (RFC 4733), paced on the monotonic clock."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt

from tests.telephony.rig.heard import RATE, Heard, Samples
from tests.telephony.rig.ports import free_udp_port

PCMU: Final = 0
TELEPHONE_EVENT: Final = 101
KEYS: Final = "0123456789*#ABCD"

_HEADER: Final = struct.Struct(">BBHII")
_EVENT: Final = struct.Struct(">BBH")
_SILENCE: Final = 0xFF
_KEY_SECONDS: Final = 0.1
_KEY_PAUSE: Final = 0.08
_LONGEST: Final = 120.0
_SO_TIMESTAMPNS: Final = getattr(socket, "SO_TIMESTAMPNS", 35)


def _mulaw_table() -> Samples:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


_DECODED: Final = _mulaw_table()
_LEVELS: Final = np.unique(_DECODED)
_CODES: Final = np.array([int(np.flatnonzero(level == _DECODED)[-1]) for level in _LEVELS], dtype=np.uint8)
_EDGES: Final = (_LEVELS[1:].astype(np.float64) + _LEVELS[:-1]) / 2


def mulaw_decode(payload: bytes) -> Samples:
    """G.711 µ-law to 16-bit samples."""
    return _DECODED[np.frombuffer(payload, np.uint8)]


def mulaw_encode(samples: Samples) -> bytes:
    """16-bit samples to G.711 µ-law: the nearest level."""
    codes: npt.NDArray[np.uint8] = _CODES[np.searchsorted(_EDGES, samples)]
    return codes.tobytes()


class RtpStream:
    """Sends without a pause, silence where nothing is to be said, and notes all that arrives in ``heard``.

    Two things only are on the wire: packets of ``packet_ms`` and key presses.
    """

    def __init__(self, *, packet_ms: int = 20) -> None:
        self.heard = Heard()
        self.packet_ms = packet_ms
        self.port = free_udp_port()
        self._samples = RATE * packet_ms // 1000
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("127.0.0.1", self.port))
        self._speech: deque[bytes] = deque()
        self._keys: deque[str] = deque()
        self._ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._sender: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(self._socket, self._receive)

    def connect(self, host: str, port: int) -> None:
        """Start to send to that address."""
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all((host, port)))

    def say(self, samples: Samples) -> float:
        """Queue speech behind what is queued already; returns the seconds until its end is out."""
        encoded = mulaw_encode(samples)
        for start in range(0, len(encoded), self._samples):
            self._speech.append(encoded[start : start + self._samples].ljust(self._samples, bytes([_SILENCE])))
        left = len(self._speech) * self.packet_ms / 1000
        if left > _LONGEST:
            raise ValueError(f"{left:.0f} s of speech queued, at most {_LONGEST:.0f}")
        return left

    def press(self, keys: str) -> float:
        """Queue key presses; returns the seconds until the last is out."""
        if unknown := set(keys) - set(KEYS):
            raise ValueError(f"no such keys: {unknown}")
        self._keys.extend(keys)
        return len(self._keys) * (_KEY_SECONDS + _KEY_PAUSE)

    async def close(self) -> None:
        """Stop both directions."""
        if self._sender is not None:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def _send_all(self, remote: tuple[str, int]) -> None:
        step = self.packet_ms / 1000
        deadline = time.monotonic()
        key_left = 0.0
        while True:
            if self._keys and key_left <= -_KEY_PAUSE:
                key_left = _KEY_SECONDS
                began = self._timestamp
            if key_left > 0:
                key_left -= step
                self._send_key(
                    self._keys[0], began, round((_KEY_SECONDS - key_left) * RATE), remote, last=key_left <= 0
                )
                if key_left <= 0:
                    self._keys.popleft()
            else:
                key_left -= step
                packet = self._speech.popleft() if self._speech else bytes([_SILENCE]) * self._samples
                self._send(PCMU, self._timestamp, packet, remote)
            self._timestamp = (self._timestamp + self._samples) & 0xFFFFFFFF
            deadline += step
            await asyncio.sleep(max(0.0, deadline - time.monotonic()))

    def _send_key(self, key: str, began: int, duration: int, remote: tuple[str, int], *, last: bool) -> None:
        payload = _EVENT.pack(KEYS.index(key), 10 | (0x80 if last else 0), duration)
        for _ in range(3 if last else 1):  # the end is told three times, as the RFC asks, in case one is lost
            self._send(TELEPHONE_EVENT, began, payload, remote)

    def _send(self, payload_type: int, timestamp: int, payload: bytes, remote: tuple[str, int]) -> None:
        header = _HEADER.pack(0x80, payload_type, self._sequence, timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        with contextlib.suppress(OSError):  # the other end may have gone a packet ago
            self._socket.sendto(header + payload, remote)

    def _receive(self) -> None:
        ahead = time.time() - time.monotonic()
        while True:
            try:
                packet, notes, _, _ = self._socket.recvmsg(2048, 128)
            except OSError:
                return
            arrival = time.monotonic()
            for level, kind, stamp in notes:
                if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack("@qq", stamp)
                    arrival = seconds + nanoseconds / 1e9 - ahead
            if len(packet) > _HEADER.size and packet[1] & 0x7F == PCMU:
                self.heard.add(arrival, mulaw_decode(packet[_HEADER.size + 4 * (packet[0] & 0x0F) :]))
