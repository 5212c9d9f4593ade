"""What a circuit breaker remembers, in one process or shared by all processes of a node through a small file."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

CLOSED: Final = 0
OPEN: Final = 1
HALF_OPEN: Final = 2

_LAYOUT: Final = struct.Struct("<4sIQIdd")
_CHECK: Final = struct.Struct("<I")
_MAGIC: Final = b"TLB1"
_SIZE: Final = _LAYOUT.size + _CHECK.size
_LOCK_TRIES: Final = 20
_LOCK_PAUSE: Final = 0.0001  # seconds; what is done under the lock takes some microseconds


@dataclass(slots=True)
class Record:
    """State of one breaker. Times are seconds of one monotonic clock that all who share it have in common."""

    state: int = CLOSED
    failures: int = 0
    """In a row."""
    opened_at: float = 0.0
    probe_until: float = 0.0
    """A probe is under way and has until then to tell its outcome; 0: none is."""
    epoch: int = 0
    """Grows with each change of state and each probe: what began in an older epoch tells nothing about this one."""

    def pack(self) -> bytes:
        body = _LAYOUT.pack(_MAGIC, self.state, self.epoch, self.failures, self.opened_at, self.probe_until)
        return body + _CHECK.pack(zlib.crc32(body))

    @staticmethod
    def unpack(raw: bytes) -> Record:
        """The record; a fresh one where ``raw`` is none (a new file, or one that was damaged)."""
        if len(raw) != _SIZE or _CHECK.unpack(raw[-_CHECK.size :])[0] != zlib.crc32(raw[: -_CHECK.size]):
            return Record()
        magic, state, epoch, failures, opened_at, probe_until = _LAYOUT.unpack(raw[: -_CHECK.size])
        if magic != _MAGIC or state not in {CLOSED, OPEN, HALF_OPEN}:
            return Record()
        return Record(state, failures, opened_at, probe_until, epoch)


class LockBusyError(Exception):
    """Somebody held the lock for too long."""


class SharedRecord(Protocol):
    """One record that may be read and changed by several at once."""

    def changing(self) -> AbstractContextManager[Record]:
        """The record, nobody else's meanwhile; kept when the block ends without an exception.

        Never blocks longer than some milliseconds. Raises LockBusyError.
        """

    def read(self) -> Record:
        """A copy as it stands. Raises LockBusyError."""

    def close(self) -> None:
        """Lets go of it; idempotent."""


class MemoryRecord:
    """For one process."""

    def __init__(self) -> None:
        self._raw = Record().pack()
        self._lock = threading.Lock()

    @contextmanager
    def changing(self) -> Iterator[Record]:
        with self._lock:
            record = Record.unpack(self._raw)
            yield record
            self._raw = record.pack()

    def read(self) -> Record:
        with self._lock:
            return Record.unpack(self._raw)

    def close(self) -> None:
        """Nothing to let go of."""


class FileRecord:
    """For all processes of a node: a mapped file of some bytes, guarded by flock.

    The kernel drops the lock of a process that dies, and what dies half-way through a write leaves a record whose
    checksum does not fit, which counts as a fresh one. Not to be carried over a fork: the child would share the lock.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file and its folder where they are missing. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._guard = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(self._fd, _SIZE)
            # On a full disk this fails; the first write to a hole of a mapped file would end the process.
            os.posix_fallocate(self._fd, 0, _SIZE)
            self._map = mmap.mmap(self._fd, _SIZE)
        except OSError:
            os.close(self._fd)
            raise

    @contextmanager
    def changing(self) -> Iterator[Record]:
        with self._guard:
            self._lock()
            try:
                before = self._map[:]
                record = Record.unpack(before)
                yield record
                after = record.pack()
                if after != before:
                    self._map[:] = after
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def read(self) -> Record:
        with self._guard:
            self._lock()
            try:
                return Record.unpack(self._map[:])
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        with self._guard:
            if self._fd >= 0:
                self._map.close()
                os.close(self._fd)
                self._fd = -1

    def _lock(self) -> None:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE)
            else:
                return
        raise LockBusyError
