"""Free ports for what the rig starts.

``TRUNKLINE_RIG_PORTS`` (such as ``24000-24199``) confines them; otherwise they come from a stretch below the range from
which kernels hand out ports, so that no passing connection takes one between the choice and the bind.
"""

from __future__ import annotations

import os
import random
import socket
from typing import Final

_DEFAULT: Final = (20_000, 31_999)
_KEPT: Final[set[tuple[socket.SocketKind, int]]] = set()


def free_tcp_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return free_block(1, socket.SOCK_STREAM)


def free_udp_port() -> int:
    """A UDP port of 127.0.0.1 that nobody is bound to."""
    return free_block(1, socket.SOCK_DGRAM)


def free_block(size: int, kind: socket.SocketKind, *, keep: bool = False) -> int:
    """The first of ``size`` consecutive free ports; even, as RTP likes it. Raises OSError when there is none.

    With ``keep`` nobody else in this process is given them until ``give_back``, for a program that binds them now and
    then.
    """
    first, last = _range()
    starts = list(range(first + first % 2, last + 2 - size, 2))
    if not keep:  # what stays stands at the lower end, so that the rest is in one piece
        random.shuffle(starts)
    for start in starts:
        ports = range(start, start + size)
        if all((kind, port) not in _KEPT and _is_free(port, kind) for port in ports):
            if keep:
                _KEPT.update((kind, port) for port in ports)
            return start
    raise OSError(f"no {size} free ports between {first} and {last}")


def give_back(first: int, size: int, kind: socket.SocketKind) -> None:
    """A kept block is not needed any more."""
    _KEPT.difference_update((kind, port) for port in range(first, first + size))


def _range() -> tuple[int, int]:
    named = os.environ.get("TRUNKLINE_RIG_PORTS")
    if not named:
        return _DEFAULT
    first, _, last = named.partition("-")
    return int(first), int(last)


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # a port whose last connection still lingers is free to listen on
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
