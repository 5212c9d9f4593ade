"""Carrying the write-ahead log into the storage, all the time.

``pg_receivewal`` streams it into a folder of this machine; finished segments go to the storage at once, the unfinished
one every few seconds. The server holds what is not **kept** yet by a physical slot that only this carrier advances,
after the storage has taken it: a carrier, its disk or its machine may be lost at any moment and nothing is missing.
A storage that is away leaves nothing behind on this machine either: the server has it, and it is streamed again.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.errors import TrunklineError
from engine.sql import FAULTS
from ops.backup.catalogue import read_catalogue
from ops.backup.database import LOCKS, Server, connected, for_programs, queries
from ops.backup.erasures import Watch
from ops.backup.errors import CarriedElsewhere, ToolFailed
from ops.backup.log_status import Status, read_status, write_status
from ops.backup.programs import Programs, Tool, failure
from ops.backup.site import Site, wal_prefix
from ops.backup.slot import hold
from ops.backup.streams import of_bytes
from ops.backup.waits import within
from ops.backup.wal import Segment, history_timeline, position, shown

_log: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""How often the folder is looked at for a finished segment."""
TELL_SECONDS: Final = 5.0
"""How often the server is asked how much it holds back, between two rounds."""
BACKOFF_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
GIVE_UP_SECONDS: Final = 900.0
"""Faults in a row for that long end the run: whoever supervises it hears of it."""
_SAMPLES: Final = 600
_UNLOCK_SECONDS: Final = 2.0
NO_LIMIT: Final = (
    "the server holds log for the backups without a limit (max_slot_wal_keep_size = -1): where the storage or this job "
    "is away for long, its disk fills up. Set it, to half of what is free on that disk"
)


@dataclass(slots=True)
class Progress:
    """How far it has come."""

    kept_lsn: int = 0
    """The log before it is in the storage."""
    kept_through: float = 0.0
    """All that the server had written at this time is in the storage; its own clock, seconds since 1970-01-01 UTC."""
    segments: int = 0
    bytes: int = 0
    rounds: int = 0
    faults: int = 0
    worst_age_s: float = 0.0
    """Longest that the newest byte of the log was not kept, as met at the end of a round."""
    gap: bool = False
    """The server had to give up log that was not kept yet: only a new backup closes the gap."""
    gap_lsn: int = 0
    """Where the log goes on after it."""
    held_bytes: int = 0
    """Log that the server holds back by the slot."""
    held_at_most: int = -1
    """Bytes after which it gives up (``max_slot_wal_keep_size``); -1: never, its disk may fill up."""
    samples: collections.deque[tuple[float, int]] = field(default_factory=lambda: collections.deque(maxlen=_SAMPLES))


class Carrier:
    """Of one cluster. Only one carries at a time: each session takes a lock that its connection holds, so that it goes
    when that breaks and is taken anew with the next.
    """

    def __init__(self, site: Site, url: str, programs: Programs, server: Server) -> None:
        self._site = site
        self._url = url
        self._programs = programs
        self._server = server
        self._size = server.segment_bytes
        self._sql = queries("server.sql")
        self._slot = site.settings.backup.wal_slot
        self._application = self._slot
        self._sent: set[str] = set()
        self._seeded = ""
        self._warned = False
        self._told = ""
        self._erasures = Watch(site, server.system_id)
        self.progress = Progress()

    async def carry(self, *, until_lsn: int | None = None, seconds: float | None = None) -> Progress:
        """Until the log before ``until_lsn`` is kept, or for so many seconds, or until it is cancelled. Faults of the
        database and the storage are waited out; a restart of the server is one. Raises BackupError once they last too
        long, CarriedElsewhere where another carrier runs.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        since: float | None = None
        while True:
            rounds = self.progress.rounds
            try:
                async with self._site.workshop("wal") as staging:
                    await self._session(staging, until_lsn, deadline)
            except TrunklineError as error:
                begun = self.progress.rounds > 0 or self.progress.faults > 0
                if isinstance(error, CarriedElsewhere) and not begun:
                    raise
                if not (error.retryable or isinstance(error, ToolFailed)):
                    raise
                now = time.monotonic()
                since = now if since is None or self.progress.rounds > rounds else since
                if now - since > GIVE_UP_SECONDS or (deadline is not None and now > deadline):
                    raise
                self.progress.faults += 1
                _log.warning("the log is not carried: %s", error)
                tried = self.progress.faults if self.progress.rounds == rounds else 0
                await asyncio.sleep(BACKOFF_SECONDS[min(tried, len(BACKOFF_SECONDS) - 1)])
            else:
                return self.progress

    async def _session(self, staging: Path, until_lsn: int | None, deadline: float | None) -> None:
        async with connected(self._url, application=f"{self._slot}_carrier") as connection:
            if not await connection.fetchval(self._sql["take_lock"], LOCKS["wal"]):
                raise CarriedElsewhere("another run carries the log of this cluster")
            try:
                await self._locked_session(connection, staging, until_lsn, deadline)
            finally:
                with contextlib.suppress(*FAULTS):
                    await within(_UNLOCK_SECONDS, connection.fetchval(self._sql["leave_lock"], LOCKS["wal"]))

    async def _locked_session(
        self, connection: Any, staging: Path, until_lsn: int | None, deadline: float | None
    ) -> None:
        start, _ = await hold(connection, self._slot)
        await self._look_for_gap(start)
        await self._seed(connection, staging, start)
        async with self._receiver(staging) as receiver:
            while True:
                await self._round(connection, staging, receiver)
                if until_lsn is not None and self.progress.kept_lsn >= until_lsn:
                    return
                if deadline is not None and time.monotonic() >= deadline:
                    return
                hurried = until_lsn is not None
                await self._pause(connection, staging, receiver, LOOK_SECONDS if hurried else None, deadline)

    async def _seed(self, connection: Any, staging: Path, start: int) -> None:
        """pg_receivewal goes on after the newest segment that it finds: give it an empty one, the one before ours."""
        timeline = int((await connection.fetchval(self._sql["walfile"], shown(start + 1)))[:8], 16)
        before = Segment.at(start, timeline, self._size).number - 1
        seed = staging / Segment(timeline, before).name(self._size)
        with seed.open("wb") as file:
            file.truncate(self._size)
        self._seeded = seed.name
        self.progress.kept_lsn = max(self.progress.kept_lsn, start)

    @contextlib.asynccontextmanager
    async def _receiver(self, staging: Path) -> AsyncIterator[Tool]:
        bare, environment = for_programs(self._url)
        # A name of its own: how far another is, such as one that a killed run left, says nothing of our files.
        self._application = f"{self._slot[:40]}_{secrets.token_hex(8)}"
        arguments = ["--no-loop", "--no-password", "--status-interval=1", f"--directory={staging}", f"--dbname={bare}"]
        environment["PGAPPNAME"] = self._application
        async with self._programs.running("pg_receivewal", *arguments, environment=environment) as tool:
            yield tool

    async def _round(self, connection: Any, staging: Path, receiver: Tool) -> None:
        """Keep all that is there, then let the server go of it and say how far it is."""
        received = await self._ask(connection)
        if receiver.process.returncode is not None:
            assert receiver.process.stderr is not None
            said = await receiver.process.stderr.read()
            raise ToolFailed(failure("pg_receivewal", receiver.process.returncode, said))
        kept = await self._keep_files(staging, received)
        newer = kept > self.progress.kept_lsn
        self.progress.kept_lsn = kept
        while self.progress.samples and self.progress.samples[0][1] <= self.progress.kept_lsn:
            self.progress.kept_through = self.progress.samples.popleft()[0]
        if self.progress.kept_through:
            age = self._site.wall() - self.progress.kept_through
            self.progress.worst_age_s = max(self.progress.worst_age_s, age)
        await self._keep_erasures(connection)
        await self._tell()
        if newer:  # told first: a slot that is beyond what was told means that log was lost
            await connection.fetchval(self._sql["advance_slot"], self._slot, shown(kept))
        self.progress.rounds += 1  # the storage took something: what fails before that is given up in the end

    async def _keep_erasures(self, connection: Any) -> None:
        """The log goes on whatever is wrong with their list: where it stopped, the server's disk would fill up."""
        try:
            await self._erasures.look(connection)
        except TrunklineError as error:
            if error.retryable:
                raise
            if str(error) != self._told:
                self._told = str(error)
                _log.error("the list of erasures is not kept as it is now, the log is: %s", error)

    async def _ask(self, connection: Any) -> int:
        """How far the server is and how much it holds back; how far pg_receivewal is."""
        row = await connection.fetchrow(self._sql["position"], self._application, self._slot)
        self.progress.samples.append((float(row["at"]), position(row["flushed"])))
        self.progress.held_bytes = int(row["held"] or 0)
        if self.progress.held_at_most != int(row["held_at_most"]) or not self._warned:
            self._warned = True
            self.progress.held_at_most = int(row["held_at_most"])
            if self.progress.held_at_most < 0:
                _log.warning("%s", NO_LIMIT)
        return position(row["received"]) if row["received"] else 0

    async def _look_for_gap(self, start: int) -> None:
        """``start``: from where the server holds its log."""
        before = await read_status(self._site, self._server)
        if before is None:
            return
        if before.kept_lsn < start:
            self.progress.gap, self.progress.gap_lsn = True, start
            _log.error("the server gave up log that was not kept yet: take a full backup now")
        elif before.gap:
            self.progress.gap, self.progress.gap_lsn = True, before.gap_lsn

    async def _gap_closed(self) -> bool:
        """Whether a full backup has begun after it."""
        catalogue = await read_catalogue(self._site.repository, self._site.keys)
        return any(
            each.system_id == self._server.system_id and each.kind == "full" and each.start_lsn >= self.progress.gap_lsn
            for each in catalogue.backups.values()
        )

    async def _keep_files(self, staging: Path, received: int) -> int:
        """Position before which the log is kept now."""
        kept = self.progress.kept_lsn
        for path in self._staged(staging):
            segment = Segment.parse(path.name, self._size)
            if segment is None:
                if history_timeline(path.name) is not None and path.name not in self._sent:
                    await self._put(path.name, path)
                    self._sent.add(path.name)
                continue
            if not segment.partial:
                await self._put(path.name, path)
                path.unlink()
                kept = max(kept, (segment.number + 1) * self._size)
                self.progress.segments += 1
                self._sent.discard(f"{path.name}.partial")
                await self._site.repository.delete(f"{wal_prefix(self._server)}{path.name}.partial")
            elif received > kept or (received == kept and path.name not in self._sent):
                try:
                    await self._put(path.name, path)
                except FileNotFoundError:  # it was finished this moment: the next round has it
                    break
                self._sent.add(path.name)
                end = (segment.number + 1) * self._size
                kept = max(kept, min(received, end))
        return kept

    async def _put(self, name: str, path: Path) -> None:
        content = await asyncio.to_thread(path.read_bytes)
        part = await self._site.keep(wal_prefix(self._server) + name, of_bytes(content))
        self.progress.bytes += part.bytes

    def _staged(self, staging: Path) -> list[Path]:
        return sorted(path for path in staging.iterdir() if path.name != self._seeded)

    async def _tell(self) -> None:
        told = self.progress
        if told.gap and await self._gap_closed():
            told.gap = False
            _log.warning("the gap in the log is closed by a newer full backup")
        status = Status(told.kept_lsn, told.kept_through, self._site.wall(), told.gap, told.gap_lsn)
        await write_status(self._site, self._server, status)

    async def _pause(
        self, connection: Any, staging: Path, receiver: Tool, seconds: float | None, deadline: float | None
    ) -> None:
        """Until the next round is due, or a segment is finished."""
        settings = self._site.settings.backup
        over = time.monotonic() + (settings.wal_every_s if seconds is None else seconds)
        over = over if deadline is None else min(over, deadline)
        asked = time.monotonic()
        while time.monotonic() < over and receiver.process.returncode is None:
            if any(not path.name.endswith((".partial", ".history")) for path in self._staged(staging)):
                break
            if time.monotonic() - asked >= TELL_SECONDS:
                await self._ask(connection)
                asked = time.monotonic()
            await asyncio.sleep(min(LOOK_SECONDS, max(over - time.monotonic(), 0)))
