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
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.errors import TrunklineError
from ops.backup.catalogue import from_json, to_json
from ops.backup.database import Server, connected, for_programs, queries
from ops.backup.errors import BackupError, ObjectMissing, ToolFailed
from ops.backup.programs import Programs, Tool, failure
from ops.backup.site import Site, wal_prefix
from ops.backup.slot import hold
from ops.backup.streams import gathered, of_bytes
from ops.backup.wal import Segment, history_timeline, position, shown

_log: Final = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""How often the folder is looked at for a finished segment."""
BACKOFF_SECONDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
GIVE_UP_SECONDS: Final = 900.0
"""Faults in a row for that long end the run: whoever supervises it hears of it."""
_SAMPLES: Final = 600


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
    samples: collections.deque[tuple[float, int]] = field(default_factory=lambda: collections.deque(maxlen=_SAMPLES))


class Carrier:
    """Of one cluster. Only one may run at a time: see ``alone``."""

    def __init__(self, site: Site, url: str, programs: Programs, server: Server) -> None:
        self._site = site
        self._url = url
        self._programs = programs
        self._server = server
        self._size = server.segment_bytes
        self._sql = queries("server.sql")
        self._slot = site.settings.backup.wal_slot
        self._application = f"{self._slot}_{server.system_id}"[:63]
        self._sent: set[str] = set()
        self._seeded = ""
        self.progress = Progress()

    async def carry(self, *, until_lsn: int | None = None, seconds: float | None = None) -> Progress:
        """Until the log before ``until_lsn`` is kept, or for so many seconds, or until it is cancelled. Faults of the
        database and the storage are waited out. Raises BackupError once they last too long.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        since: float | None = None
        while True:
            rounds = self.progress.rounds
            try:
                async with self._site.workshop("wal") as staging:
                    await self._session(staging, until_lsn, deadline)
            except TrunklineError as error:
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
            start, made = await hold(connection, self._slot)
            before = await read_status(self._site, self._server) if made else None
            if before is not None and before.kept_lsn < start:
                self.progress.gap = True
                _log.error("the server gave up log that was not kept yet: take a full backup now")
            await self._seed(connection, staging, start)
            async with self._receiver(staging) as receiver:
                while True:
                    await self._round(connection, staging, receiver)
                    if until_lsn is not None and self.progress.kept_lsn >= until_lsn:
                        return
                    if deadline is not None and time.monotonic() >= deadline:
                        return
                    hurried = until_lsn is not None
                    await self._pause(staging, receiver, LOOK_SECONDS if hurried else None, deadline)

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
        arguments = ["--no-loop", "--no-password", "--status-interval=1", f"--directory={staging}", f"--dbname={bare}"]
        environment["PGAPPNAME"] = self._application
        async with self._programs.running("pg_receivewal", *arguments, environment=environment) as tool:
            yield tool

    async def _round(self, connection: Any, staging: Path, receiver: Tool) -> None:
        """Keep all that is there, then let the server go of it and say how far it is."""
        row = await connection.fetchrow(self._sql["position"], self._application)
        self.progress.samples.append((float(row["at"]), position(row["flushed"])))
        received = position(row["received"]) if row["received"] else 0
        if receiver.process.returncode is not None:
            assert receiver.process.stderr is not None
            said = await receiver.process.stderr.read()
            raise ToolFailed(failure("pg_receivewal", receiver.process.returncode, said))
        kept = await self._keep_files(staging, received)
        if kept > self.progress.kept_lsn:
            await connection.fetchval(self._sql["advance_slot"], self._slot, shown(kept))
            self.progress.kept_lsn = kept
        while self.progress.samples and self.progress.samples[0][1] <= self.progress.kept_lsn:
            self.progress.kept_through = self.progress.samples.popleft()[0]
        if self.progress.kept_through:
            age = self._site.wall() - self.progress.kept_through
            self.progress.worst_age_s = max(self.progress.worst_age_s, age)
        await self._tell()
        self.progress.rounds += 1  # the storage took something: what fails before that is given up in the end

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
        body = {
            "kept_lsn": shown(self.progress.kept_lsn),
            "kept_through": self.progress.kept_through,
            "at": self._site.wall(),
            "gap": self.progress.gap,
        }
        name = status_name(self._server)
        await self._site.repository.put(name, of_bytes(to_json(body, self._site.key, name)))

    async def _pause(self, staging: Path, receiver: Tool, seconds: float | None, deadline: float | None) -> None:
        """Until the next round is due, or a segment is finished."""
        settings = self._site.settings.backup
        over = time.monotonic() + (settings.wal_every_s if seconds is None else seconds)
        over = over if deadline is None else min(over, deadline)
        while time.monotonic() < over and receiver.process.returncode is None:
            if any(not path.name.endswith((".partial", ".history")) for path in self._staged(staging)):
                break
            await asyncio.sleep(min(LOOK_SECONDS, max(over - time.monotonic(), 0)))


@dataclass(frozen=True, slots=True)
class Status:
    """What the last round said."""

    kept_lsn: int
    kept_through: float
    at: float
    gap: bool


def status_name(server: Server | str) -> str:
    """Of the object that a carrier writes after each round."""
    return f"status/{server if isinstance(server, str) else server.system_id}"


async def read_status(site: Site, server: Server | str) -> Status | None:
    """None: no log has ever been carried. Raises Damaged, KeyMismatch, RepositoryError."""
    name = status_name(server)
    try:
        body = from_json(await gathered(site.repository.get(name)), site.key, name)
    except ObjectMissing:
        return None
    return Status(position(body["kept_lsn"]), float(body["kept_through"]), float(body["at"]), bool(body["gap"]))


def newest_age(status: Status | None, now: float) -> float:
    """Seconds for which the newest log of the server has not been known to be kept; infinite where it never was."""
    return now - status.kept_through if status is not None and status.kept_through else float("inf")


async def kept_until(site: Site, server: Server, lsn: int, seconds: float) -> None:
    """Wait until a carrier that runs elsewhere has kept the log before ``lsn``. Raises BackupError."""
    deadline = time.monotonic() + seconds
    while True:
        status = await read_status(site, server)
        if status is not None and status.kept_lsn >= lsn:
            return
        if time.monotonic() > deadline:
            raise BackupError(
                f"the run of `wal` that is under way did not keep the log up to {shown(lsn)} within {seconds:.0f} s"
            )
        await asyncio.sleep(1.0)
