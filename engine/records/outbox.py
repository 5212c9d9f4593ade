"""The outbox: what happened in calls goes to local disk at once, whatever becomes of the databases behind it.

``append`` puts an event into bounded memory and returns; a thread writes it to the disk a moment later and syncs it
about every second. A process that is killed loses what the thread has not written yet (a millisecond of events), a
machine that loses power about a second of them.

Under the root there is a folder for each outbox, named by its id. A process writes to one that no other writes to;
what an earlier process left is gone on with. The next files are made in full size ahead of time, so that events find
room for a while on a disk that others have filled.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.records.segments import encode, records, segment_path, segments

MOST_WAITING: Final = 20_000
"""Records that memory holds while the disk takes none; more are lost, and counted."""
SYNC_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 0.5
"""Until the disk is tried again that refused something."""
FILE_SECONDS: Final = 3600.0
"""After so long, and when it is closed, the next file is begun: one that every sink has taken can then be deleted, with
what callers said."""
WRITER_LOCK: Final = "writer.lock"
BOOT: Final = "boot"
"""File that tells by which start of the machine an outbox was made."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class OutboxCounts:
    """What became of the events since the start."""

    appended: int = 0
    written: int = 0
    """To the disk."""
    lost: int = 0
    """The disk took none for so long that memory was full, or no record could be made of it."""


class Outbox:
    """The writing end. ``append`` may be called from one thread; the rest is for whoever owns it."""

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int,
        reserve_bytes: int,
        allocate: Callable[[int, int], None] = lambda descriptor, size: os.posix_fallocate(descriptor, 0, size),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``root``: folder of the outboxes of this machine, made where it is missing, for its owner alone.

        ``wall``: seconds since 1970, as the events have them.
        """
        self._root = root
        self._segment_bytes = segment_bytes
        self._reserved = max(1, -(-reserve_bytes // segment_bytes))
        self._allocate = allocate
        self._wall = wall
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._encoded: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._lock = -1
        self._segment = -1
        self._base = self._offset = self._index = self._size = 0
        self._began = 0.0
        self._dirty = False
        self._short = True
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self.counts = OutboxCounts()
        self.folder = root
        self.failing = ""
        """Why the disk takes nothing now; empty while it does."""

    # -- for the call's side ------------------------------------------------------------------------------------------

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep what happened. Never waits, never raises. ``record`` must not be changed afterwards."""
        self.counts.appended += 1
        if len(self._waiting) >= MOST_WAITING:
            self.counts.lost += 1
            return
        self._waiting.append(record)
        if not self._wake.is_set():
            self._wake.set()

    @property
    def position(self) -> int:
        """Number of the record that comes next on the disk."""
        return self._base + self._index

    @property
    def root(self) -> Path:
        """Folder of all outboxes of this machine."""
        return self._root

    @property
    def waiting(self) -> int:
        """Records in memory that are not on the disk."""
        return len(self._waiting) + len(self._encoded)

    @property
    def settled(self) -> bool:
        """Whether all that was appended has been written to the disk, or is counted as lost."""
        return self.counts.appended == self.counts.written + self.counts.lost

    def behind(self, base: int, offset: int) -> int:
        """Bytes on the disk behind a place of this outbox."""
        try:
            full = sum(one.path.stat().st_size for one in segments(self.folder) if base <= one.base < self._base)
        except OSError:  # one of them was written everywhere, and is gone
            return 0
        return max(0, full + self._offset - offset)

    # -- life ---------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take an outbox, cut what is torn at its end, reserve room, begin to write.

        Where the disk refuses, ``failing`` says why, memory holds what is appended, and it is tried again.
        """
        try:
            self._attach()
            self._reserve()
        except OSError as error:
            self._fail(error)
        self._thread.start()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, at most so long, leave its file, and let go of the outbox. Idempotent."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)
        if self._thread.is_alive():
            return  # the disk hangs: the descriptors are its own
        self._let_go()

    def _let_go(self) -> None:
        for descriptor in (self._segment, self._lock):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._segment = self._lock = -1

    def _attach(self) -> None:
        """Have an outbox to write to. Raises OSError where that cannot be done: then there is none."""
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_folder()
            existing = segments(self.folder)
            if existing:
                self._segment = os.open(existing[-1].path, os.O_RDWR | os.O_CLOEXEC)
                self._base = existing[-1].base
                self._find_end()
            else:
                self._begin(0)
        except OSError:
            if self.folder != self._root and not segments(self.folder):
                shutil.rmtree(self.folder, ignore_errors=True)
            self._let_go()
            self.folder = self._root
            self._base = self._offset = self._index = self._size = 0
            raise

    def _take_folder(self) -> None:
        # Of before the machine's last start the end may be missing that a database has already: numbers would be
        # given twice. Such an outbox is read to its end and written no more.
        known = sorted(path for path in self._root.iterdir() if is_outbox(path) and is_of_this_boot(path))
        for folder in (*known, self._root / str(uuid.uuid4())):
            if folder not in known:
                folder.mkdir(mode=0o700)
                self.folder = folder
                (folder / BOOT).write_text(boot_id())
                (folder / BOOT).chmod(0o600)
            lock = os.open(folder / WRITER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                self._lock, self.folder = lock, folder
                return
        raise AssertionError("a folder that was just made has no writer")

    def _find_end(self) -> None:
        size = os.fstat(self._segment).st_size
        data = os.pread(self._segment, size, 0)
        self._began = time.monotonic() - self._age(data)
        for _, following in records(data):
            self._offset = following
            self._index += 1
        rest = memoryview(data)[self._offset :]
        if any(rest):
            logger.warning("cut a torn record off the end of the outbox")
            os.pwrite(self._segment, bytes(len(rest)), self._offset)
            os.fdatasync(self._segment)
        self._size = size

    def _age(self, data: bytes) -> float:
        """Seconds since the first record of a file was made; one that does not tell is taken for an old one."""
        first = next(records(data), None)
        if first is None:
            return 0.0
        try:
            return max(0.0, self._wall() - float(json.loads(first[0] or b"")["event"]["at"]))
        except (ValueError, TypeError, KeyError):
            return FILE_SECONDS

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        synced = time.monotonic()
        while True:
            self._wake.wait(SYNC_SECONDS)
            self._wake.clear()
            closing = self._closing
            failed = not self._step()
            self._leave_old_file(closing=closing)
            if self._dirty and (closing or time.monotonic() - synced >= SYNC_SECONDS):
                self._sync()
                synced = time.monotonic()
            if closing:
                return
            if failed:
                time.sleep(AGAIN_SECONDS)
                self._wake.set()

    def _step(self) -> bool:
        """Write what waits; whether the disk took it."""
        try:
            if self._segment < 0:
                self._attach()
            self._encode()
            while self._encoded:
                self._write()
                self._encode()
            if self._short:
                self._reserve()
        except OSError as error:
            self._fail(error)
            return self._segment >= 0 and not self._encoded
        if self.failing:
            logger.warning("the outbox is written again")
        self.failing = ""
        return True

    def _leave_old_file(self, *, closing: bool = False) -> None:
        """Go on in the next file where this one has been written to for long, and let the rest of its room go. At the
        end too: nobody knows when the outbox is written to again, and what callers said would lie there until then."""
        if self._segment < 0 or not self._offset:
            return
        if not closing and time.monotonic() - self._began < FILE_SECONDS:
            return
        full, size = os.dup(self._segment), self._offset
        try:
            self._begin(self.position)
            os.ftruncate(full, size)
        except OSError as error:
            self._began += FILE_SECONDS / 60
            logger.warning("the outbox could not begin its next file: %s", error.strerror)
        finally:
            os.close(full)

    def _fail(self, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        if not self.failing:
            logger.error("the outbox %s cannot be written: %s", self._root, reason)
        self.failing = reason

    def _encode(self) -> None:
        """Bytes of what waits, about a block at a time."""
        while self._waiting and len(self._encoded) < 1_000:
            record = self._waiting.popleft()
            try:
                text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
                self._encoded.append(encode(text.encode("utf-8", "replace")))
            except (TypeError, ValueError, RecursionError) as error:
                self.counts.lost += 1
                logger.error("an event could not be kept: %s", type(error).__name__)

    def _write(self) -> None:
        """The records that fit into this file, in one go. Raises OSError: then none of them counts as written."""
        block, count, room = bytearray(), 0, self._size - self._offset
        for one in self._encoded:
            if len(block) + len(one) > room:
                break
            block += one
            count += 1
        if count == 0:
            self._begin(self.position)
            return
        done = 0
        while done < len(block):
            done += os.pwrite(self._segment, memoryview(block)[done:], self._offset + done)
        self._dirty = True
        self._offset += len(block)
        self._index += count
        self.counts.written += count
        for _ in range(count):
            self._encoded.popleft()

    def _begin(self, base: int) -> None:
        """Go on in the next file."""
        ready = sorted(self.folder.glob("reserve-*"))
        path = ready[0] if ready else self._make_file()
        target = segment_path(self.folder, base)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            path.rename(target)
        except OSError:
            os.close(descriptor)
            raise
        if self._segment >= 0:
            self._sync()
            os.close(self._segment)
        self._segment, self._base, self._offset, self._index = descriptor, base, 0, 0
        self._size, self._began = os.fstat(descriptor).st_size, time.monotonic()
        self._dirty = self._short = True
        _sync_folder(self.folder)

    def _reserve(self) -> None:
        """Have the next files ready. Raises OSError where there is no room for them."""
        for _ in range(self._reserved - len(list(self.folder.glob("reserve-*")))):
            self._make_file()
        self._short = False

    def _make_file(self) -> Path:
        path = self.folder / f"reserve-{uuid.uuid4().hex}"
        unfinished = path.with_name(f"making-{path.name}")
        for old in self.folder.glob("making-*"):
            old.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._allocate(descriptor, self._segment_bytes)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return unfinished.rename(path)

    def _sync(self) -> None:
        try:
            os.fdatasync(self._segment)
        except OSError as error:
            logger.error("the outbox cannot be synced: %s", error.strerror)
        self._dirty = False


def is_outbox(path: Path) -> bool:
    """Whether this is the folder of an outbox."""
    try:
        uuid.UUID(path.name)
    except ValueError:
        return False
    return path.is_dir()


def is_of_this_boot(folder: Path) -> bool:
    """Whether the machine has not been started anew since this outbox was made."""
    try:
        return (folder / BOOT).read_text() == boot_id()
    except OSError:
        return False


def boot_id() -> str:
    """Another one after each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # nothing tells: each process gets an outbox of its own
        return str(uuid.uuid4())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
