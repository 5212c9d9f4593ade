"""A telephone connection while no call's process has it: hold it, refuse it, end it, without dropping it.

These are the few moments on which the ingress itself speaks AudioSocket: before a call is admitted, when it is refused,
and between the death of one process and the start of the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from engine.audio.audiosocket import Kind, encode, encode_audio
from engine.audio.format import FRAME_SECONDS, SILENCE

UUID_FRAME_BYTES: Final = 19
CLOSE_SECONDS: Final = 2.0
_SILENT_FRAME: Final = encode_audio(SILENCE)
_UUID_HEADER: Final = bytes((Kind.UUID, 0, 16))


async def read_uuid(connection: socket.socket, timeout: float) -> bytes | None:
    """The 16 bytes of the first frame; None where the peer closes, is silent for ``timeout`` s or sends something else.

    Reads no byte more than the frame: what follows is for the call's process.
    """
    loop = asyncio.get_running_loop()
    received = b""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(timeout):
            while len(received) < UUID_FRAME_BYTES:
                data = await loop.sock_recv(connection, UUID_FRAME_BYTES - len(received))
                if not data:
                    return None
                received += data
                if received[:3] != _UUID_HEADER[: len(received)]:
                    return None
            return received[3:]
    return None


async def refuse(connection: socket.socket) -> None:
    """Send the PBX back to its dialplan and close once it has closed. Owns the connection; never raises."""
    loop = asyncio.get_running_loop()
    with contextlib.closing(connection), contextlib.suppress(TimeoutError, OSError):
        connection.setblocking(False)
        async with asyncio.timeout(CLOSE_SECONDS):
            await loop.sock_sendall(connection, encode(Kind.HANGUP))
            # Closing with the caller's audio unread would reset the connection, and the dialplan would see a failure.
            while await loop.sock_recv(connection, 65536):
                pass


def send_silence(connection: socket.socket) -> int:
    """The first frame, at once: whoever leads the call may take some milliseconds to come. How many were sent."""
    try:
        return int(connection.send(_SILENT_FRAME) == len(_SILENT_FRAME))
    except OSError:  # its next owner sees what is wrong with it
        return 0


async def keep_silent(connection: socket.socket) -> None:
    """Stream silence until cancelled: a PBX that hears nothing for two seconds gives the call up."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        with contextlib.suppress(OSError):  # the next owner of the line sees what is wrong with it
            connection.send(_SILENT_FRAME)
        due = max(due + FRAME_SECONDS, loop.time())
        await asyncio.sleep(due - loop.time())
