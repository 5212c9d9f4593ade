"""An exchange with its outbox in a process of its own, to be killed: ``python -m … FOLDER CALL_ID…``.

The calls are announced. It prints its port when a process of a call has come, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from actors import tether
from actors.exchange import Exchange
from actors.journal import Journal
from actors.registry import Registry
from engine.clock import LoopClock
from engine.config import PoolSettings, Settings
from engine.config.sections import PathSettings
from engine.errors import LeaseError
from engine.records.outbox import Outbox
from engine.speech.leases import Lease, Service


class NoBroker:
    """Scripted processes need no replica."""

    async def acquire(self, service: Service, call_id: str, on_moved: Callable[[Lease], None]) -> Lease:
        raise LeaseError("there are no replicas here")

    def release(self, lease: Lease) -> None:
        """None was given."""


async def serve(folder: Path, calls: list[str]) -> None:
    clock, paths = LoopClock(), PathSettings(folder)
    outbox = Outbox(paths.outbox, segment_bytes=1 << 16, reserve_bytes=1 << 16)
    outbox.open()
    registry, came = Registry(clock, ttl=60), asyncio.Event()
    for call_id in calls:
        registry.announce(call_id, caller="+380501234567", channel="SIP/1")
    exchange = Exchange(
        replace(Settings(), paths=paths, pool=PoolSettings()),
        registry=registry,
        journal=Journal(keep=outbox.append),
        broker=NoBroker(),
        clock=clock,
        on_hosts_changed=lambda: came.set() if exchange.warm else None,
        on_arrived=lambda launch: None,
        about=lambda dialled: {"playbook": "tyre_shop", "version": "abc", "language": "en"},
        kept=lambda: outbox.settled,
    )
    door = socket.create_server(("127.0.0.1", 0))
    door.setblocking(False)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(exchange.accept_hosts(tether.listen(folder / "ingress.sock")))
        tasks.create_task(exchange.accept(door))
        tasks.create_task(exchange.watch())
        await came.wait()
        print(door.getsockname()[1], flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2:]))
