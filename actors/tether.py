"""The thread between ingress and call: a Unix socket that carries messages and open sockets.

Each message is one datagram of a SOCK_SEQPACKET connection: a JSON object, with descriptors beside it where something
is handed over. The connection's end tells each side at once, without a heartbeat, that the other process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from engine.errors import TetherError

MAX_MESSAGE: Final = 128 * 1024
MAX_QUEUED: Final = 1000
"""Messages that wait for a peer that does not read; beyond it the oldest event is dropped, never a command."""

Message = dict[str, Any]
Receiver = Callable[[Message, list[int]], None]


class Tether:
    """One end. ``on_message`` gets each message with its descriptors (owned by the receiver), ``on_lost`` the end."""

    def __init__(self, connection: socket.socket, on_message: Receiver, on_lost: Callable[[], None]) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 512 * 1024)
        self._connection = connection
        self._fd = connection.fileno()
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[bytes, list[int], bool]] = deque()
        self._lost = False
        self.dropped = 0
        """Events that were dropped because the peer did not read."""
        self._loop.add_reader(self._fd, self._readable)

    @property
    def lost(self) -> bool:
        return self._lost

    def send(self, message: Message, descriptors: Sequence[int] = (), *, droppable: bool = False) -> None:
        """Send; keeps order; duplicates of ``descriptors`` travel, the caller keeps his. Does nothing once lost.

        Raises TetherError when the message is too large.
        """
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MAX_MESSAGE:
            raise TetherError(f"a message of {len(data)} bytes is larger than {MAX_MESSAGE}")
        if self._lost:
            return
        if not self._waiting and self._try(data, list(descriptors)):
            return
        if len(self._waiting) >= MAX_QUEUED:
            self._make_room()
        if not self._waiting:
            self._loop.add_writer(self._fd, self._writable)
        self._waiting.append((data, [os.dup(fd) for fd in descriptors], droppable))

    def close(self) -> None:
        """End it from this side; ``on_lost`` is not called."""
        if self._lost:
            return
        self._lost = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        for _, descriptors, _ in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()
        self._connection.close()

    def _try(self, data: bytes, descriptors: list[int]) -> bool:
        try:
            if descriptors:
                socket.send_fds(self._connection, [data], descriptors)
            else:
                self._connection.send(data)
        except BlockingIOError:
            return False
        except OSError:
            # The peer is gone; the reader sees the end, after what the peer still sent.
            return True
        return True

    def _make_room(self) -> None:
        for index, (_, descriptors, droppable) in enumerate(self._waiting):
            if droppable:
                _close_all(descriptors)
                del self._waiting[index]
                self.dropped += 1
                return

    def _writable(self) -> None:
        while self._waiting:
            data, descriptors, _ = self._waiting[0]
            if not self._try(data, descriptors):
                return
            _close_all(descriptors)
            self._waiting.popleft()
        self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        for _ in range(64):  # give the loop back now and then
            try:
                data, descriptors, flags, _ = socket.recv_fds(self._connection, MAX_MESSAGE, 4, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, descriptors, flags = b"", [], 0
            if not data:
                _close_all(descriptors)
                self.close()
                self._on_lost()
                return
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                _close_all(descriptors)
                continue
            try:
                message = json.loads(data)
            except ValueError:
                _close_all(descriptors)
                continue
            self._on_message(message, descriptors)
            if self._lost:
                return


def _close_all(descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        with contextlib.suppress(OSError):
            os.close(fd)


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, in a folder that only this user can enter; what lay there is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(1024)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: Path) -> socket.socket:
    """Connect to ``path``. Raises OSError where nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection
