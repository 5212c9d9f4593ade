"""The files by which a machine remembers who was erased: what is recorded late, or comes back from a backup, is
recognised by them.

``erasures.jsonl`` has a line for each erasure, ``erasures.key`` the key of their digests; both 0600. The files outlive
the database on purpose.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from pathlib import Path
from typing import Final

from engine.errors import ConfigurationError
from engine.records.erasing import KEY_BYTES, Erased, Tombstone

TOMBSTONES: Final = "erasures.jsonl"
KEY: Final = "erasures.key"

logger = logging.getLogger(__name__)


def key_of(path: Path, *, make: bool = False) -> bytes:
    """The key of the digests. ``make``: a new one where there is none yet.

    Raises ConfigurationError where there is none, or it is none; OSError.
    """
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            _write_new(unfinished, secrets.token_bytes(KEY_BYTES).hex() + "\n")
            os.link(unfinished, path)  # whole, or not there; another process may have been first
        except FileExistsError:
            pass
        finally:
            unfinished.unlink(missing_ok=True)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: the key of the erasures is not there: without it nobody can be recognised. "
            "Bring the file back from where it is kept"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: expected {2 * KEY_BYTES} hex digits") from error
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{path}: expected {2 * KEY_BYTES} hex digits")
    return key


def leave_key(path: Path, key: bytes) -> None:
    """Put a key where there is none, such as one that came back with a backup. Raises OSError; FileExistsError too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_new(path, key.hex() + "\n")


def bury(path: Path, tombstone: Tombstone) -> None:
    """Note an erasure; on disk when it returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        line = tombstone.line().encode()
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a line that was cut off stays alone
            line = b"\n" + line
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def buried(path: Path) -> list[Tombstone]:
    """All erasures, the first first; none where there is no file. A line that is none is passed over and told in the
    log. Raises OSError."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found.append(Tombstone.of(line))
            except ValueError:
                logger.error("%s: line %d is no tombstone", path, number)
    return found


class ErasedCallers:
    """Who was erased on this machine, for a process that goes on running: looks at the file whenever it changed."""

    def __init__(self, state_dir: Path, key_file: Path | None = None) -> None:
        self._path = state_dir / TOMBSTONES
        self._key_file = key_file or state_dir / KEY
        self._seen: tuple[int, int, int] | None = None
        self._erased = Erased(b"", ())
        self._told = ""

    def covers(self, number: str, started_at: float) -> bool:
        """Whether a call of ``number`` that began at ``started_at`` (seconds since 1970) is erased, for whoever records
        calls. Never raises: where the files cannot be read, or the key is gone, nobody is known to be erased, and the
        log tells it."""
        try:
            erased = self.now()
        except (ConfigurationError, OSError) as error:
            if str(error) != self._told:
                self._told = str(error)
                logger.error("erased callers are recorded as others are: %s", error)
            return False
        self._told = ""
        return erased.covers(number, started_at)

    def now(self) -> Erased:
        """As the file has it now: one ``stat`` where it did not change.

        Raises ConfigurationError where there are erasures and no key, OSError.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return Erased(b"", ())
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen != self._seen:
            tombstones = buried(self._path)
            self._erased = Erased(key_of(self._key_file), tombstones) if tombstones else Erased(b"", ())
            self._seen = seen
        return self._erased


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
