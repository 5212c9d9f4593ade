"""The reading end of an outbox: record after record from a position on, while another process goes on writing.

Each reader has a place of its own. Reads block for a moment: call them in a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.records.segments import HEADER, LONGEST_RECORD, records, segments

READER_LOCK: Final = "reader.lock"
_CHUNK: Final = 4 * (LONGEST_RECORD + HEADER.size)


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as it was found."""

    position: int
    data: dict[str, Any]
    """Empty where it is damaged, or no JSON object."""
    size: int
    """Bytes of its text."""


class OutboxReader:
    """One reader's place in an outbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged = 0
        """Records that could not be read, and were passed over."""
        self.base = 0
        self.offset = 0
        """Where it reads: the file, by its first record, and the byte in it."""
        self._index = 0
        self._descriptor = -1
        self._suspect = -1

    @property
    def position(self) -> int:
        """Number of the record that is read next."""
        return self.base + self._index

    def seek(self, position: int) -> None:
        """Read from this record on; from the oldest that is there where it is gone, from the end where it never was.

        Raises OSError."""
        self.close()
        found = segments(self.folder)
        if not found:
            self.base, self.offset, self._index = position, 0, 0
            return
        chosen = next((one for one in reversed(found) if one.base <= position), found[0])
        self.base, self.offset, self._index = chosen.base, 0, 0
        self._descriptor = os.open(chosen.path, os.O_RDONLY | os.O_CLOEXEC)
        while self.position < position:
            data = os.pread(self._descriptor, _CHUNK, self.offset)
            began = self.offset
            for _, following in records(data):
                if self.position >= position:
                    break
                self.offset = began + following
                self._index += 1
            if self.offset == began:
                return

    def read(self, most: int) -> list[Entry]:
        """The next records, at most so many; none where nothing new is there. Raises OSError."""
        found = segments(self.folder)
        if self._descriptor < 0:
            if not found:
                return []
            self.seek(self.position)
        head = os.pread(self._descriptor, HEADER.size, self.offset)
        entries = self._parse(os.pread(self._descriptor, _CHUNK, self.offset), most) if any(head) else []
        # Those behind were there before this one was read to its end: it grows no more.
        later = next((one for one in found if one.base > self.base), None)
        if not entries and later is not None and self._suspect < 0:
            self.damaged += max(0, later.base - self.position)
            self.close()
            self.base, self.offset, self._index = later.base, 0, 0
            self._descriptor = os.open(later.path, os.O_RDONLY | os.O_CLOEXEC)
            return self.read(most)
        return entries

    def _parse(self, data: bytes, most: int) -> list[Entry]:
        entries: list[Entry] = []
        began = self.offset
        for payload, following in records(data):
            if payload is None and self._suspect != self.offset:
                self._suspect = self.offset  # being written, perhaps: look at it once more
                break
            self._suspect = -1
            if payload is None:
                self.damaged += 1
            entries.append(Entry(self.position, _object(payload), len(payload or b"")))
            self.offset = began + following
            self._index += 1
            if len(entries) >= most:
                break
        return entries

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def oldest(folder: Path) -> int:
    """Number of the oldest record that is kept."""
    found = segments(folder)
    return found[0].base if found else 0


def remove_written(folder: Path, positions: Iterable[int]) -> int:
    """Delete the files whose records all stand before each of ``positions``; how many. The last file stays."""
    written = min(positions, default=0)
    found = segments(folder)
    removed = 0
    for one, following in itertools.pairwise(found):
        if following.base > written:
            break
        one.path.unlink(missing_ok=True)
        removed += 1
    return removed


class ReaderLock:
    """Who holds it reads an outbox, and nobody else."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / READER_LOCK
        self._descriptor = -1

    def take(self) -> bool:
        """Whether it was to be had. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1


def _object(payload: bytes | None) -> dict[str, Any]:
    if payload is None:
        return {}
    try:
        data = json.loads(payload)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
