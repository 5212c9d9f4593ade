"""Free ports for servers that are started a little later, by another process."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_RAY_WORKERS_END: Final = 20_000
"""Ray gives its workers 10002 to 19999."""
_TRIES: Final = 200


def bind_free(host: str) -> socket.socket:
    """A socket bound to a free port of ``host``, below the kernel's own choices where there is room.

    The kernel gives its own choices to outgoing connections too: a port of those that is let go of now can be taken
    before its server comes. Raises OSError where ``host`` is none of this machine.
    """
    end = _outgoing_begin()
    if end - _RAY_WORKERS_END >= _TRIES:
        for port in random.sample(range(_RAY_WORKERS_END, end), _TRIES):
            try:
                return bind_port(host, port)
            except OSError:
                continue
    return bind_port(host, 0)


def bind_port(host: str, port: int) -> socket.socket:
    """A socket bound there. Raises OSError where that cannot be."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _outgoing_begin() -> int:
    """The first port that the kernel gives to whoever names none."""
    try:
        return int(_RANGE_FILE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
