"""The switchboard of one node: admits calls, hands each to a warm process, and gives it to another when that one dies.

It keeps a duplicate of every call's connection and its black box, but reads and writes neither while the call's process
lives. It knows nothing of Ray: processes come by themselves over the tether, and a ``Broker`` finds replicas.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from actors import messages as say
from actors.active import ActiveCall, Broker, Counts, Host
from actors.handset import keep_silent, read_uuid, refuse, send_silence
from actors.journal import Event, Journal
from actors.messages import CallStart
from actors.registry import Registry
from actors.tether import Message, Tether
from engine.audio.blackbox import BlackBox
from engine.clock import Clock
from engine.config import Settings
from engine.errors import LeaseError, ProtocolError
from engine.logs import call_logging
from engine.records.rows import CALL
from engine.speech.leases import Lease, Service

WATCH_SECONDS = 0.25
STUCK_SECONDS = 2.0
"""A call's process that has not handled a frame for so long is ended, and its call taken over."""
FAREWELL_SECONDS = 8.0
"""Time for a caller to be told that he is being connected to a person, when the node ends."""
TAKEOVER_WAIT_SECONDS = 4.0
"""Silence that a caller whose process died may hear until another is free; then the operator is better."""
MOST_TAKEOVERS = 20
"""A call that kills process after process goes to the operator."""

logger = logging.getLogger(__name__)


class Exchange:
    """One node's calls."""

    def __init__(
        self,
        settings: Settings,
        *,
        registry: Registry,
        journal: Journal,
        broker: Broker,
        clock: Clock,
        on_hosts_changed: Callable[[], None],
        on_arrived: Callable[[str], None],
        about: Callable[[str], Mapping[str, str]] = lambda _dialled: {},
        kept: Callable[[], bool] = lambda: True,
    ) -> None:
        """``about``: what the first event says of a dialled number's playbook.

        ``kept``: whether all that the journal was given so far has come to its place.

        ``on_hosts_changed``: a process came, went, or became free; ``on_arrived``: the one of this launch came."""
        self._on_arrived = on_arrived
        self._about = about
        self._kept = kept
        self._settings = settings
        self._registry = registry
        self._journal = journal
        self._broker = broker
        self._clock = clock
        self._on_hosts_changed = on_hosts_changed
        self._hosts: set[Host] = set()
        self._warm: list[Host] = []
        self._free = asyncio.Condition()
        self._calls: dict[str, ActiveCall] = {}
        self._strangers = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._prepared: dict[str, str] = {}
        self._idle = asyncio.Event()
        self.draining = False
        self.counts = Counts()

    # -- what others ask ----------------------------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """Calls now."""
        return len(self._calls)

    @property
    def warm(self) -> int:
        """Processes that wait for a call."""
        return len(self._warm)

    @property
    def hosts(self) -> int:
        """Processes, busy or not."""
        return len(self._hosts)

    def calls(self) -> list[dict[str, Any]]:
        """The calls now, without anything private."""
        return [
            {"call_id": call.start.call_id, "pid": call.host.pid if call.host else 0, "takeovers": call.takeovers}
            for call in self._calls.values()
        ]

    def prepared(self, path: str, playbook: str = "") -> None:
        """Where the audio of a playbook's fixed sentences lies; no name is the first playbook's."""
        self._prepared[playbook] = path
        for host in self._hosts:
            host.tether.send({"type": say.PREPARE, "path": path, "playbook": playbook})

    def command(self, call_id: str, command: Message) -> bool:
        """Pass a supervisor's command to a call; whether there is such a call."""
        call = self._calls.get(call_id)
        if call is None or call.host is None:
            return False
        call.host.tether.send({"type": say.COMMAND, **command})
        return True

    # -- connections --------------------------------------------------------------------------------------------------

    async def accept(self, listener: socket.socket) -> None:
        """Take connections of ``listener`` until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # too many descriptors: those in use matter more
                logger.error("cannot accept: %s", error)
                await asyncio.sleep(0.1)
                continue
            self.counts.connections += 1
            if self._strangers >= self._settings.pool.max_connections:
                connection.close()
                continue
            self._spawn(self._meet(connection))

    async def _meet(self, connection: socket.socket) -> None:
        """From the connection to its call, or to a refusal."""
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._strangers += 1
        try:
            raw = await read_uuid(connection, self._settings.pool.uuid_timeout_ms / 1000)
        finally:
            self._strangers -= 1
        if raw is None:
            self.counts.no_uuid += 1
            connection.close()
            return
        announced = self._registry.use(raw)
        if announced is None:
            self.counts.refused_unknown += 1
            logger.warning("refused a connection with a UUID that is unknown or was used before")
            await refuse(connection)
            return
        began = self._clock.wall()
        start = CallStart(announced.call_id, announced.caller, announced.channel, announced.dialled, began)
        self._journal.open(start.call_id, began)
        self._note_start(start)
        if self.draining or self.active >= self._settings.pool.capacity:
            self.counts.refused_capacity += 1
            self._note(start.call_id, "refused", reason="draining" if self.draining else "capacity")
            self._journal.end(start.call_id)
            await refuse(connection)
            return
        self.counts.admitted += 1
        sent = send_silence(connection)
        box, box_fd = BlackBox.create()
        call = ActiveCall(start, connection, box, box_fd)
        self._calls[start.call_id] = call
        self._note(start.call_id, "admitted", **self._about(start.dialled))
        with call_logging(start.call_id):
            await self._connect(call, takeover=False, frames_sent=sent)

    async def _connect(self, call: ActiveCall, *, takeover: bool, frames_sent: int = 0) -> None:
        """Give ``call`` to a warm process; to the operator where none becomes free in time."""
        if not self._warm:
            frames_sent = 0
            wait = TAKEOVER_WAIT_SECONDS if takeover else self._settings.pool.admission_wait_ms / 1000
            silence = asyncio.create_task(keep_silent(call.connection))
            try:
                async with asyncio.timeout(wait), self._free:
                    await self._free.wait_for(lambda: bool(self._warm))
            except TimeoutError:
                self._lose(call, "no process is free")
                return
            finally:
                silence.cancel()
        host = self._warm.pop()
        host.call, call.host = call, host
        call.ticks, call.ticked_at = call.box.ticks, self._clock.now()
        host.tether.send(
            {"type": say.CALL, "call": call.start.to_dict(), "takeover": takeover, "frames_sent": frames_sent},
            (call.connection.fileno(), call.box_fd),
        )
        self._note(call.start.call_id, "actor", pid=host.pid, takeover=takeover)
        self._on_hosts_changed()

    def _lose(self, call: ActiveCall, why: str) -> None:
        """Nobody can lead it: the PBX takes the caller to the operator."""
        logger.error("call goes to the operator: %s", why, extra={"call_id": call.start.call_id})
        self.counts.lost += 1
        self._note(call.start.call_id, "ended", next="operator", reason="no_process")
        self._spawn(refuse(call.connection.dup()))
        self._finish(call)

    def _finish(self, call: ActiveCall) -> None:
        if self._calls.pop(call.start.call_id, None) is None:
            return
        self.counts.ended += 1
        for lease in call.leases.values():
            self._broker.release(lease)
        call.close()
        self._journal.end(call.start.call_id)
        if not self._calls:
            self._idle.set()

    # -- processes ----------------------------------------------------------------------------------------------------

    async def accept_hosts(self, listener: socket.socket) -> None:
        """Take tethers of ``listener`` until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            host = Host.__new__(Host)
            host.pid, host.call, host.heard = 0, None, {}
            host.tether = Tether(
                connection,
                on_message=lambda message, fds, host=host: self._on_message(host, message, fds),  # type: ignore[misc]
                on_lost=lambda host=host: self._on_host_lost(host),  # type: ignore[misc]
            )
            self._hosts.add(host)

    def _on_message(self, host: Host, message: Message, descriptors: list[int]) -> None:
        kind = message.get("type")
        call = host.call
        if kind == say.HELLO:
            self._on_hello(host, message, descriptors)
        elif kind == say.WARM:
            self._on_warm(host)
        elif kind == say.LATE:
            self._on_late(host, CallStart.from_dict(message["call"]), message["event"])
        elif call is None:
            return
        elif kind == say.EVENT:
            self._hear(host, call.start, message["event"])
        elif kind == say.LEASE:
            self._spawn(self._lease(host, call, message["service"]))
        elif kind == say.LEASE_LOST:
            lease = call.leases.get(message["service"])
            if lease is not None and lease.number == message["number"]:
                del call.leases[message["service"]]
                self._broker.release(lease)
        elif kind == say.OUTCOME:
            self._hear(host, call.start, message["event"])
            host.tether.send({"type": say.OUTCOME})
        elif kind == say.DONE:
            host.call = None
            self._finish(call)

    def _on_hello(self, host: Host, message: Message, descriptors: list[int]) -> None:
        host.pid = int(message["pid"])
        self._on_arrived(str(message.get("launch", "")))
        for playbook, path in self._prepared.items():
            host.tether.send({"type": say.PREPARE, "path": path, "playbook": playbook})
        if not descriptors:
            return
        # The ingress was replaced while this process led a call: take our duplicates of it.
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
        start = CallStart.from_dict(message["call"])
        try:
            call = ActiveCall(start, connection, BlackBox(descriptors[1]), descriptors[1], host=host)
        except ProtocolError as error:
            logger.error("a call could not be adopted: %s", error, extra={"call_id": start.call_id})
            connection.close()
            os.close(descriptors[1])
            return
        call.ticks, call.ticked_at = call.box.ticks, self._clock.now()
        host.call = call
        self._calls[start.call_id] = call
        self._registry.mark_used(start.call_id)
        self._journal.open(start.call_id, start.started_at)
        self._note_start(start)  # again: whoever keeps events may have missed the first time
        self._note(start.call_id, "adopted", pid=host.pid)

    def _hear(self, host: Host, start: CallStart, event: Event) -> None:
        """Note what a process tells of a call, and confirm it when it is kept."""
        self._journal.add(start.call_id, event)
        host.heard[start.call_id] = event["id"]
        if event["type"] == "ended":
            self._journal.open(start.call_id).next = "hangup" if event["next"] == "hangup" else "operator"

    def _on_late(self, host: Host, start: CallStart, event: Event) -> None:
        """What was told to the ingress before this one, which may not have kept it."""
        record = self._journal.get(start.call_id)
        if record is None:
            self._journal.open(start.call_id, start.started_at)
            self._note_start(start)
        elif any(known["id"] == event["id"] for known in record.events):
            return
        self._hear(host, start, event)
        if event["type"] == "ended":
            if start.call_id in self._calls:
                host.tether.send({"type": say.OUTCOME})
            else:
                self._journal.end(start.call_id)

    def _confirm(self) -> None:
        """Tell each process how far its events are kept."""
        if not self._kept():
            return
        for host in self._hosts:
            for call_id, event_id in host.heard.items():
                host.tether.send({"type": say.NOTED, "call": call_id, "id": event_id})
            host.heard.clear()

    def _on_warm(self, host: Host) -> None:
        if host.call is None and host not in self._warm:
            self._warm.append(host)
            self._spawn(self._announce_free())
        self._on_hosts_changed()

    async def _announce_free(self) -> None:
        async with self._free:
            self._free.notify_all()

    def _on_host_lost(self, host: Host) -> None:
        self._hosts.discard(host)
        if host in self._warm:
            self._warm.remove(host)
        call, host.call = host.call, None
        if call is not None and call.start.call_id in self._calls:
            call.host = None
            for lease in call.leases.values():
                self._broker.release(lease)
            call.leases.clear()
            call.takeovers += 1
            self.counts.takeovers += 1
            logger.warning("a call's process died, another takes over", extra={"call_id": call.start.call_id})
            if call.takeovers > MOST_TAKEOVERS:
                self._lose(call, "process after process died with it")
            elif self._warm:
                # At once, in this very callback: the caller's next frame is due within 20 ms.
                self._hand_over_now(call)
            else:
                self._spawn(self._connect(call, takeover=True))
        self._on_hosts_changed()

    def _hand_over_now(self, call: ActiveCall) -> None:
        task = self._connect(call, takeover=True)
        try:
            task.send(None)  # runs to its end without waiting, because a process is warm
        except StopIteration:
            return
        raise AssertionError("handing over to a warm process does not wait")

    async def _lease(self, host: Host, call: ActiveCall, service: Service) -> None:
        def moved(lease: Lease) -> None:
            call.leases[service] = lease
            host.tether.send(
                {"type": say.LEASE_MOVED, "service": service, "address": lease.address, "number": lease.number}
            )

        old = call.leases.pop(service, None)
        if old is not None:
            self._broker.release(old)
        try:
            lease = await self._broker.acquire(service, call.start.call_id, moved)
        except LeaseError as error:
            host.tether.send({"type": say.LEASE, "service": service, "error": str(error)})
            return
        if host.call is not call:
            self._broker.release(lease)
            return
        call.leases[service] = lease
        host.tether.send({"type": say.LEASE, "service": service, "address": lease.address, "number": lease.number})

    async def watch(self) -> None:
        """End processes that have stopped, so that their calls are taken over; confirm what the others told.

        Until cancelled."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._confirm()
            now = self._clock.now()
            for call in list(self._calls.values()):
                if call.host is None:
                    continue
                ticks = call.box.ticks
                if ticks != call.ticks:
                    call.ticks, call.ticked_at = ticks, now
                elif now - call.ticked_at > STUCK_SECONDS and call.host.pid:
                    logger.error("a call's process is stuck and is ended", extra={"call_id": call.start.call_id})
                    call.ticked_at = now
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(call.host.pid, signal.SIGKILL)

    # -- end ----------------------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> int:
        """Take no more calls and wait for those that run, then ask them to go to the operator; how many were left."""
        self.draining = True
        if not await self._until_idle(seconds):
            for call_id in list(self._calls):
                self.command(call_id, {"command": "transfer", "reason": "shutdown"})
            await self._until_idle(min(seconds, FAREWELL_SECONDS))
        return self.active

    async def _until_idle(self, seconds: float) -> bool:
        if self._calls:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
        return not self._calls

    async def close(self) -> None:
        """Tell all processes to end, and let go of what is left."""
        for host in list(self._hosts):
            host.tether.send({"type": say.EXIT})
        await asyncio.sleep(0.05)
        for host in list(self._hosts):
            host.tether.close()
        self._hosts.clear()
        self._warm.clear()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in list(self._calls.values()):
            self._note(call.start.call_id, "ended", next="operator", reason="shutdown")
            self._finish(call)

    def _note_start(self, start: CallStart) -> None:
        """Who calls whom, and what answers."""
        self._note(
            start.call_id,
            CALL,
            caller_number=start.caller,
            dialled=start.dialled,
            channel=start.channel,
            node=platform.node(),
            **self._about(start.dialled),
        )

    def _note(self, call_id: str, kind: str, **fields: Any) -> None:
        self._journal.add(call_id, {"type": kind, "t": self._clock.now(), **fields})

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
