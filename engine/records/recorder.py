"""Carries the outboxes of a machine into their sinks, each on its own cursor: one that is away holds up no other.

What it reads was written by processes that know nothing of it. Killed in the middle of a batch, it goes on where the
sink says it is. Files that every sink has taken are deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.records.outbox import WRITER_LOCK, is_of_this_boot, is_outbox
from engine.records.reading import Entry, OutboxReader, ReaderLock, oldest, remove_written
from engine.records.segments import Segment, segments
from engine.records.sink import Sink, SinkAway

STATUS: Final = "recorder.json"
"""File in each outbox that tells how its recorder is; the ingress makes metrics of it."""
LOOK_SECONDS: Final = 1.0
SHORTEST_BACKOFF: Final = 0.25
LONGEST_BACKOFF: Final = 5.0
DISK_SECONDS: Final = 30.0
"""Longest wait for a read of the disk."""
LIVE_BYTES: Final = 256 << 20
"""Of files that only a live view has not taken: what is older than that is of no use to it."""
LIVE: Final = "redis"

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SinkStatus:
    """How far one sink has come in one outbox."""

    sink: str
    outbox: str
    position: int = 0
    """Number of the record that it takes next."""
    base: int = 0
    offset: int = 0
    """Where that is: the file, by its first record, and the byte in it."""
    oldest_at: float = 0.0
    """When the oldest event happened that is known and not taken, seconds since 1970; 0: there is none."""
    wrote_at: float = 0.0
    """When something was last taken; 0: nothing yet."""
    away: str = ""
    """Why it takes nothing; empty while it does."""
    passed_over: int = 0
    """Records that could not be read, or were deleted before it came."""


@dataclass(slots=True)
class _Followed:
    """An outbox that is read here."""

    folder: Path
    lock: ReaderLock
    statuses: dict[str, SinkStatus] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    caught_up: dict[str, float] = field(default_factory=dict)
    """Sink → when it last had read to the end, on the monotonic clock."""
    gone: bool = False
    """All of it is taken and it is deleted."""
    earlier: dict[str, SinkStatus] = field(default_factory=dict)
    """As the recorder before this one left them."""


class Recorder:
    """One machine's. ``run`` until cancelled, or until ``drain`` has ended."""

    def __init__(
        self,
        root: Path,
        sinks: Sequence[Sink],
        *,
        batch: int,
        wait_seconds: float,
        wall: Callable[[], float] = time.time,
        on_written: Callable[[str, Sequence[Entry]], None] = lambda _sink, _entries: None,
    ) -> None:
        """``wait_seconds``: how long the end of an outbox is left alone; ``on_written``: told after each batch."""
        self._root = root
        self._sinks = list(sinks)
        self._batch = batch
        self._wait = wait_seconds
        self._wall = wall
        self._on_written = on_written
        self._followed: dict[str, _Followed] = {}
        self._looked = False
        self._broken: set[str] = set()

    async def run(self) -> None:
        """Carry until cancelled."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            while True:
                try:
                    await _from_disk(self._look)
                except (OSError, TimeoutError) as error:
                    logger.error("the outbox cannot be looked at: %s", type(error).__name__)
                except Exception:  # carrying goes on
                    logger.exception("the outbox cannot be looked at")
                for name, followed in list(self._followed.items()):
                    if followed.gone:
                        await self._leave(name, followed)
                    else:
                        self._see_to_tasks(followed)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._close()

    def _see_to_tasks(self, followed: _Followed) -> None:
        """One for each sink; one that failed in a way of its own is begun again."""
        for sink in self._sinks:
            task = followed.tasks.get(sink.name)
            if task is not None and not task.done():
                continue
            if task is not None and not task.cancelled():
                logger.error("carrying events to %s failed", sink.name, exc_info=task.exception())
            followed.tasks[sink.name] = asyncio.create_task(self._follow(followed, sink), name=f"follow-{sink.name}")

    async def drain(self, seconds: float) -> bool:
        """Wait until all that is on the disk now is taken, at most so long; whether it is."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self._looked and all(
                followed.caught_up.get(sink.name, 0.0) > began
                for followed in list(self._followed.values())
                for sink in self._sinks
            ):
                return True
            await asyncio.sleep(0.05)
        return False

    def status(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "at": self._wall(),
            "pid": os.getpid(),
            "sinks": {sink.name: asdict(sink.counts) for sink in self._sinks},
            "outboxes": [
                asdict(one) for followed in list(self._followed.values()) for one in followed.statuses.values()
            ],
        }

    # -- one outbox, one sink -----------------------------------------------------------------------------------------

    async def _follow(self, followed: _Followed, sink: Sink) -> None:
        reader = OutboxReader(followed.folder)
        status = followed.earlier.get(sink.name) or SinkStatus(sink.name, followed.folder.name)
        followed.statuses[sink.name] = status
        backoff = SHORTEST_BACKOFF
        known = False
        try:
            while True:
                try:
                    if not known:
                        await self._resume(reader, sink, status)
                        known = True
                    count = await self._carry(reader, sink, status)
                except SinkAway as error:
                    self._note_away(sink, status, str(error))
                    known = False
                    await asyncio.sleep(backoff)
                    backoff = min(2 * backoff, LONGEST_BACKOFF)
                    continue
                except (OSError, TimeoutError) as error:
                    logger.error("the outbox cannot be read: %s", type(error).__name__)
                    known = False
                    await asyncio.sleep(LONGEST_BACKOFF)
                    continue
                except Exception as error:  # its text may show an address or a password
                    kind = type(error).__name__
                    self._note_away(sink, status, f"{sink.name} cannot be used ({kind}): see its setting")
                    known = False
                    await asyncio.sleep(LONGEST_BACKOFF)
                    continue
                if status.away:
                    logger.warning("%s takes events again", sink.name)
                    status.away = ""
                backoff = SHORTEST_BACKOFF
                if count == 0:
                    followed.caught_up[sink.name] = time.monotonic()
                if count < self._batch:
                    await asyncio.sleep(self._wait)
        finally:
            reader.close()

    async def _resume(self, reader: OutboxReader, sink: Sink, status: SinkStatus) -> None:
        first = await _from_disk(oldest, reader.folder)
        position = await sink.resume(reader.folder.name, first)
        await _from_disk(reader.seek, position)
        self._note_place(reader, status)

    async def _carry(self, reader: OutboxReader, sink: Sink, status: SinkStatus) -> int:
        """One batch; how many records it had, none at the end. Raises SinkAway, OSError."""
        entries = await _from_disk(reader.read, self._batch)
        status.passed_over = reader.damaged
        if not entries:
            self._note_place(reader, status)
            status.oldest_at = 0.0
            return 0
        status.oldest_at = _happened(entries[0]) or self._wall()
        await sink.write(reader.folder.name, entries, reader.position)
        status.wrote_at = self._wall()
        self._note_place(reader, status)
        self._on_written(sink.name, entries)
        if len(entries) < self._batch:
            status.oldest_at = 0.0
        return len(entries)

    @staticmethod
    def _note_place(reader: OutboxReader, status: SinkStatus) -> None:
        status.position, status.base, status.offset = reader.position, reader.base, reader.offset

    @staticmethod
    def _note_away(sink: Sink, status: SinkStatus, why: str) -> None:
        if status.away != why:
            logger.warning("%s: %s; events wait on the disk", sink.name, why)
        status.away = why

    # -- all outboxes -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Find outboxes that nobody reads, tidy those that are read here, tell how it stands. In a thread."""
        for folder in sorted(path for path in self._root.iterdir() if is_outbox(path)):
            if folder.name not in self._followed:
                with self._unless_broken(folder):
                    lock = ReaderLock(folder)
                    if lock.take():
                        self._followed[folder.name] = _Followed(folder, lock, earlier=_statuses(folder))
        self._tidy()
        text = json.dumps(self.status())
        for followed in list(self._followed.values()):
            with self._unless_broken(followed.folder):
                _tell(followed, text)
        self._looked = True

    def _tidy(self) -> None:
        """Remove what every sink has taken, and see since when others wait. In a thread."""
        for followed in list(self._followed.values()):
            with self._unless_broken(followed.folder):
                statuses = list(followed.statuses.values())
                if len(statuses) == len(self._sinks) and not followed.gone:
                    self._find_oldest(followed, statuses)
                    self._remove_written(followed, statuses)

    @contextlib.contextmanager
    def _unless_broken(self, folder: Path) -> Iterator[None]:
        """What is wrong with one outbox is told once, and holds up no other."""
        try:
            yield
        except OSError as error:
            if folder.name not in self._broken:
                logger.error("the outbox %s cannot be seen to: %s", folder.name, error.strerror)
            self._broken.add(folder.name)
        else:
            self._broken.discard(folder.name)

    @staticmethod
    def _find_oldest(followed: _Followed, statuses: Sequence[SinkStatus]) -> None:
        """Since when events wait for a sink that has been away ever since this recorder began."""
        for status in statuses:
            if status.away and not status.oldest_at:
                reader = OutboxReader(followed.folder)
                try:
                    reader.seek(status.position)
                    status.oldest_at = next((_happened(entry) for entry in reader.read(1)), 0.0)
                finally:
                    reader.close()

    def _remove_written(self, followed: _Followed, statuses: Sequence[SinkStatus]) -> None:
        found = segments(followed.folder)
        waits = sum(one.path.stat().st_size for one in found)
        binding = [one.position for one in statuses if one.sink != LIVE or waits <= LIVE_BYTES]
        remove_written(followed.folder, binding or [_last_bytes(found, LIVE_BYTES)])
        if is_of_this_boot(followed.folder) or len(followed.caught_up) < len(self._sinks):
            return
        if any(one.away for one in statuses):
            return
        with _unwritten(followed.folder) as free:
            if free:  # nobody will write to it again, and all of it is taken
                shutil.rmtree(followed.folder, ignore_errors=True)
                followed.gone = True

    async def _leave(self, name: str, followed: _Followed) -> None:
        for task in followed.tasks.values():
            task.cancel()
        await asyncio.gather(*followed.tasks.values(), return_exceptions=True)
        followed.lock.release()
        del self._followed[name]

    async def _close(self) -> None:
        tasks = [task for followed in self._followed.values() for task in followed.tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError, TimeoutError):
            await _from_disk(self._tidy)  # the last look may have been before the last events
        for sink in self._sinks:
            await sink.close()
        for followed in self._followed.values():
            followed.lock.release()
        self._followed.clear()


async def _from_disk(work: Callable[..., T], *arguments: Any) -> T:
    """What ``work`` gives, in a thread. Raises OSError, and TimeoutError where the disk hangs."""
    async with asyncio.timeout(DISK_SECONDS):
        return await asyncio.to_thread(work, *arguments)


def _tell(followed: _Followed, text: str) -> None:
    """Leave word in an outbox of how its recorder is."""
    if followed.gone:
        return
    path = followed.folder / STATUS
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.rename(path)


def _statuses(folder: Path) -> dict[str, SinkStatus]:
    """How far each sink had come when the recorder before this one last told."""
    try:
        told = json.loads((folder / STATUS).read_text(encoding="utf-8"))
        found = [SinkStatus(**one) for one in told["outboxes"] if one["outbox"] == folder.name]
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return {one.sink: one for one in found}


def _last_bytes(found: Sequence[Segment], most: int) -> int:
    """Number of the record from which on the files are at most so large together; the last is never left out."""
    kept, position = 0, 0
    for one in reversed(found):
        kept += one.path.stat().st_size
        if kept > most and position:
            break
        position = one.base
    return position


@contextlib.contextmanager
def _unwritten(folder: Path) -> Iterator[bool]:
    """Whether nobody writes to this outbox; nobody begins to within the block."""
    try:
        lock = os.open(folder / WRITER_LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(lock)


def _happened(entry: Entry) -> float:
    event = entry.data.get("event")
    at = event.get("at") if isinstance(event, dict) else None
    return float(at) if isinstance(at, int | float) else 0.0
