"""What an exchange knows of its calls and of the processes that lead them, and whom it asks for replicas."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from actors.messages import CallStart
from actors.tether import Tether
from engine.audio.blackbox import BlackBox
from engine.speech.leases import Lease, Service


class Broker(Protocol):
    """Finds replicas."""

    async def acquire(self, service: Service, call_id: str, on_moved: Callable[[Lease], None]) -> Lease:
        """A lease; ``on_moved`` is told its successor when its replica is about to leave. Raises LeaseError."""

    def release(self, lease: Lease) -> None:
        """It is not needed any more; unknown ones are ignored."""


@dataclass(slots=True)
class ActiveCall:
    """A call that is being led, or waits for a process."""

    start: CallStart
    connection: socket.socket
    box: BlackBox
    box_fd: int
    leases: dict[Service, Lease] = field(default_factory=dict)
    host: Host | None = None
    takeovers: int = 0
    ticks: int = 0
    ticked_at: float = 0.0

    def close(self) -> None:
        self.connection.close()
        self.box.close()
        os.close(self.box_fd)


@dataclass(slots=True, eq=False)
class Host:
    """A process that can lead a call, on the other end of a tether."""

    tether: Tether
    pid: int = 0
    call: ActiveCall | None = None
    heard: dict[str, str] = field(default_factory=dict)
    """The last event of each call that it told and that was not confirmed."""


@dataclass(slots=True)
class Counts:
    """What happened since the start; the ingress publishes them."""

    connections: int = 0
    admitted: int = 0
    refused_unknown: int = 0
    refused_capacity: int = 0
    no_uuid: int = 0
    takeovers: int = 0
    lost: int = 0
    """Calls that no process could take over; their callers went to the operator."""
    ended: int = 0
