"""The process of a call, without Ray: it waits on its tether for a call, leads it, and is warm again.

Everything that takes time is done before the first call comes: imports, weights, playbook, fixed sentences.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import socket
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from actors import messages as say
from actors.messages import CallStart
from actors.tether import Message, Tether, connect
from actors.unconfirmed import Event, Unconfirmed
from actors.untold import keep_untold
from engine.audio.blackbox import BlackBox
from engine.audio.line import Line
from engine.audio.playout import Playout
from engine.clock import Clock
from engine.config import Settings
from engine.dialogue.call import Call
from engine.dialogue.checkpoint import Checkpoint
from engine.dialogue.parts import Journal, Outcome, Parts
from engine.errors import LeaseError, ProtocolError
from engine.logs import leading_call
from engine.privacy import MaskedConversation, Masker
from engine.speech.leases import Lease, Leases, Service

LEASE_SECONDS = 3.0
"""How long a lease may take."""
OUTCOME_SECONDS = 0.3
"""How long the ingress may take to note how the call ends."""
RETRY_SECONDS = 0.05
"""Between two tries to reach an ingress that is gone."""
LEASE_AHEAD_SECONDS = 0.8
"""Into the call the greeting is on its way, and what the first answer needs is leased."""
LEARN_SECONDS = 0.2
LEARN_MESSAGES = 30
"""Of the conversation so far, for a process that takes a call over."""
ORPHAN_SECONDS = 60.0
"""After this long without an ingress and without a call the process ends; what it has not told goes to the disk."""

logger = logging.getLogger(__name__)


class Workshop(Protocol):
    """Puts the parts of a call together; made once for the process."""

    def prepared(self, path: Path, playbook: str = "") -> None:
        """The audio of a playbook's fixed sentences lies here."""

    async def lease_ahead(self, leases: Leases) -> None:
        """Lease and connect what the first answer will need. Raises nothing."""

    def parts(self, start: CallStart, *, box: BlackBox, playout: Playout, leases: Leases, journal: Journal) -> Parts:
        """Everything one call needs."""


class TetherLeases:
    """Asks the ingress for leases. Meets the port Leases."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._held: dict[Service, Lease] = {}
        self._asked: dict[Service, asyncio.Future[Lease]] = {}

    async def get(self, service: Service) -> Lease:
        held = self._held.get(service)
        if held is not None:
            return held
        asked = self._asked.get(service)
        if asked is None:
            asked = self._asked[service] = asyncio.get_running_loop().create_future()
            self._send({"type": say.LEASE, "service": service})
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                return await asyncio.shield(asked)
        except TimeoutError:
            self._asked.pop(service, None)
            raise LeaseError(f"no replica of {service} within {LEASE_SECONDS:g} s") from None

    def lost(self, lease: Lease) -> None:
        if self._held.get(lease.service) == lease:
            del self._held[lease.service]
            self._send({"type": say.LEASE_LOST, "service": lease.service, "number": lease.number})

    def answered(self, message: Message) -> None:
        """The ingress's answer, or its word that a replica is leaving."""
        service: Service = message["service"]
        asked = self._asked.pop(service, None)
        error = message.get("error")
        if error is None:
            lease = Lease(service, message["address"], message["number"])
            self._held[service] = lease
            if asked is not None and not asked.done():
                asked.set_result(lease)
        elif asked is not None and not asked.done():
            asked.set_exception(LeaseError(error))
            asked.exception()  # whoever asked may be gone

    def ask_again(self) -> None:
        """The ingress was replaced: it knows of no lease. Those held go on; questions are asked again."""
        for service in self._asked:
            self._send({"type": say.LEASE, "service": service})


class CallHost:
    """One process's side of the tether."""

    def __init__(
        self,
        tether_path: Path,
        settings: Settings,
        workshop: Workshop,
        clock: Clock,
        *,
        launch: str = "",
        orphan_seconds: float = ORPHAN_SECONDS,
    ) -> None:
        """``launch``: the name by which whoever started this process knows it.

        ``orphan_seconds``: without a call, an ingress is waited for so long.
        """
        self._orphan_seconds = orphan_seconds
        self._launch = launch
        self._path = tether_path
        self._settings = settings
        self._workshop = workshop
        self._clock = clock
        self._tether: Tether | None = None
        self._lost = asyncio.Event()
        self._exiting = False
        self._left = False
        self._start: CallStart | None = None
        self._call: Call | None = None
        self._task: asyncio.Task[None] | None = None
        self._leases: TetherLeases | None = None
        self._descriptors: tuple[int, int] | None = None
        self._learned = MaskedConversation(Masker())
        self._outcome_noted = asyncio.Event()
        self._unconfirmed = Unconfirmed()
        self._served = itertools.count(1)

    async def run(self) -> None:
        """Serve until told to end, worn out, or orphaned."""
        gc.collect()
        gc.freeze()  # what was loaded so far is never garbage: collections during a call stay short
        last_seen = self._clock.now()
        while not self._over():
            try:
                connection = connect(self._path)
            except OSError:
                if self._task is None and self._clock.now() - last_seen > self._orphan_seconds:
                    logger.warning("no ingress for %g s, the process ends", self._orphan_seconds)
                    await asyncio.to_thread(keep_untold, self._settings, self._unconfirmed)
                    return
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._lost.clear()
            self._tether = Tether(connection, self._on_message, self._lost.set)
            self._greet()
            await self._lost.wait()
            last_seen = self._clock.now()

    def _over(self) -> bool:
        """Asked to end, or worn out, with no call and nothing that an ingress must still be told."""
        told = self._left or not self._unconfirmed
        return self._exiting and self._task is None and told

    def _greet(self) -> None:
        assert self._tether is not None
        hello: Message = {"type": say.HELLO, "pid": os.getpid(), "launch": self._launch}
        if self._start is not None and self._descriptors is not None:
            hello["call"] = self._start.to_dict()
            self._tether.send(hello, self._descriptors)
            if self._leases is not None:
                self._leases.ask_again()
        else:
            self._tether.send(hello)
        for message in self._unconfirmed.messages():
            self._tether.send(message)
        if self._task is None:
            self._come_free()

    def _send(self, message: Message, *, droppable: bool = False) -> None:
        if self._tether is not None:
            self._tether.send(message, droppable=droppable)

    def _on_message(self, message: Message, descriptors: list[int]) -> None:
        kind = message.get("type")
        if kind == say.CALL:
            self._on_call(message, descriptors)
        elif kind in {say.LEASE, say.LEASE_MOVED} and self._leases is not None:
            self._leases.answered(message)
        elif kind == say.OUTCOME:
            self._outcome_noted.set()
        elif kind == say.NOTED:
            self._unconfirmed.confirmed(str(message["call"]), str(message["id"]))
        elif kind == say.PREPARE:
            self._workshop.prepared(Path(message["path"]), str(message.get("playbook", "")))
        elif kind == say.COMMAND and self._call is not None:
            self._on_command(self._call, message)
        elif kind == say.EXIT:
            self._exiting = True
            if self._task is None:
                self._leave()

    def _come_free(self) -> None:
        if self._exiting:
            self._leave()
        else:
            self._send({"type": say.WARM})

    def _leave(self) -> None:
        if self._tether is not None and not self._tether.lost:
            self._left = True
            self._tether.close()
        self._lost.set()

    def _on_command(self, call: Call, message: Message) -> None:
        command = message.get("command")
        if command == "transfer":
            call.transfer(str(message.get("reason", "supervisor")))
        elif command == "say":
            call.say(str(message["text"]))
        elif command == "hang_up":
            call.end(Outcome("hangup", "supervisor"))

    def _on_call(self, message: Message, descriptors: list[int]) -> None:
        if len(descriptors) != 2 or self._task is not None:
            logger.error("a call came that cannot be taken")
            for descriptor in descriptors:
                os.close(descriptor)
            return
        start = CallStart.from_dict(message["call"])
        self._start, self._descriptors = start, (descriptors[0], descriptors[1])
        self._task = asyncio.get_running_loop().create_task(
            self._lead(
                start,
                descriptors[0],
                descriptors[1],
                takeover=bool(message["takeover"]),
                frames_sent=int(message["frames_sent"]),
            ),
            name="call",
        )

    async def _lead(self, start: CallStart, line_fd: int, box_fd: int, *, takeover: bool, frames_sent: int) -> None:
        """One call, from the hand-over to the end."""
        self._leases = TetherLeases(self._send)
        masker = Masker()
        masker.learn_number(start.caller)
        self._learned = MaskedConversation(masker)
        with leading_call(start.call_id, masker):
            try:
                box = BlackBox(box_fd)
                try:
                    await self._lead_with(start, line_fd, box, self._leases, takeover=takeover, frames_sent=frames_sent)
                finally:
                    box.close()
            except ProtocolError:
                logger.exception("a call could not be led")
            finally:
                # The line has closed its own duplicate; these are for a successor of the ingress.
                self._descriptors, self._start, self._call, self._leases, self._task = None, None, None, None, None
                for descriptor in (line_fd, box_fd):
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
        self._send({"type": say.DONE})
        self._exiting = self._exiting or next(self._served) >= self._settings.pool.calls_per_actor
        self._come_free()

    async def _lead_with(
        self,
        start: CallStart,
        line_fd: int,
        box: BlackBox,
        leases: Leases,
        *,
        takeover: bool,
        frames_sent: int,
    ) -> None:
        playout = Playout(box)
        journal = partial(self._journal, start)
        parts = self._workshop.parts(start, box=box, playout=playout, leases=leases, journal=journal)
        call = Call(parts)
        line = Line(
            socket.socket(fileno=os.dup(line_fd)),
            box,
            playout,
            call,
            lead=self._settings.dialogue.playout_lead_frames,
            resynchronise=takeover,
            frames_sent=frames_sent,
        )
        call.attach(line)
        self._call = call
        saved = box.load() if takeover else None
        checkpoint = None if saved is None else Checkpoint.from_bytes(saved)
        if checkpoint is not None:  # not now, when the next frame is due
            said = [message.content for message in checkpoint.messages if message.role in {"user", "assistant"}]
            asyncio.get_running_loop().call_later(LEARN_SECONDS, self._learn, said[-LEARN_MESSAGES:])
        ahead = asyncio.create_task(self._lease_ahead(leases), name="lease-ahead")
        try:
            await call.run(partial(self._note_outcome, start), checkpoint)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _lease_ahead(self, leases: Leases) -> None:
        await asyncio.sleep(LEASE_AHEAD_SECONDS)
        await self._workshop.lease_ahead(leases)

    def _learn(self, said: list[str]) -> None:
        """Know the names again that the process before this one knew."""
        for text in said:
            self._learned.event({"type": "partial", "agent": text})

    async def _note_outcome(self, start: CallStart, outcome: Outcome) -> None:
        """Have the ingress know how the call ends before the PBX can ask."""
        self._outcome_noted.clear()
        event = self._event("ended", {"next": outcome.next, "reason": outcome.reason})
        self._unconfirmed.add(start, event)
        self._send({"type": say.OUTCOME, "event": event})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OUTCOME_SECONDS):
                await self._outcome_noted.wait()

    def _event(self, kind: str, fields: dict[str, Any]) -> Event:
        told = {"type": kind, "t": round(self._clock.now(), 4), **fields}
        return {**told, "id": str(uuid.uuid4()), "at": round(self._clock.wall(), 6)}

    def _journal(self, start: CallStart, kind: str, fields: dict[str, Any]) -> None:
        if self._start is not start:
            return  # of a call that is over
        event = self._event(kind, fields)
        try:
            self._learned.event(event)  # so that names which were said here stand in no line of the log
        except Exception:  # no call ends for it
            logger.exception("nothing was learned of an event for masking")
        self._unconfirmed.add(start, event)
        self._send({"type": say.EVENT, "event": event}, droppable=True)
