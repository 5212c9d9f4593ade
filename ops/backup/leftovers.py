"""What a run that was killed leaves behind: its folders with plain copies in them, and programs that run on.

Every such folder holds a file that its run has locked for as long as it lives; the system takes the lock from whoever
dies, however he does. A folder whose lock is free is nobody's: programs that work in it are ended and it is removed.
Folders without that file are never touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from engine.config import Settings
from ops.backup.throwaway_account import account

_log: Final = logging.getLogger(__name__)

LOCK: Final = ".trunkline-run"
_NAMES: Final = "trunkline-*-*"
SERVERS: Final = Path("/tmp")  # noqa: S108 - a socket's path must be short; each folder in it is its owner's alone
_PROGRAMS: Final = frozenset(
    f"{name}".encode()
    for name in (
        "postgres",
        "initdb",
        "pg_receivewal",
        "pg_basebackup",
        "pg_verifybackup",
        "pg_combinebackup",
        "pg_amcheck",
        "pg_dump",
        "pg_restore",
    )
)
_STOP_SECONDS: Final = 20.0
_PROC: Final = Path("/proc")


@contextlib.contextmanager
def marked_as_ours(folder: Path) -> Iterator[None]:
    """While the block runs, ``folder`` is in use. Raises OSError; BlockingIOError where it is another's."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def abandoned(folder: Path) -> bool:
    """Whether it was a run's, and that run has ended."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def sweep(settings: Settings) -> list[str]:
    """End and remove what runs that were killed left on this machine; one line each, for the log."""
    users = {os.geteuid(), account(settings).uid}
    parents = dict.fromkeys((settings.backup.work_dir or Path(tempfile.gettempdir()), SERVERS))
    told = []
    for parent in parents:
        for folder in sorted(parent.glob(_NAMES)):
            with contextlib.suppress(OSError):  # it went meanwhile
                facts = folder.lstat()
                if stat.S_ISDIR(facts.st_mode) and facts.st_uid in users and abandoned(folder):
                    ended = _end_programs(folder, users)
                    shutil.rmtree(folder, ignore_errors=True)
                    told.append(f"removed {folder}, left by a run that was killed" + ended)
    for line in told:
        _log.warning("%s", line)
    return told


def _end_programs(folder: Path, users: set[int | None]) -> str:
    """Those of PostgreSQL's programs that have ``folder`` on their command line; what was done."""
    ended = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            process = os.pidfd_open(int(entry.name))  # what follows is about this very process
        except OSError:
            continue
        try:
            name = _program(entry, folder, users)
            if name:
                _end(process, signal.SIGQUIT if name == "postgres" else signal.SIGTERM)
                ended.append(f"{name} ({entry.name})")
        except OSError:
            pass  # it ended by itself
        finally:
            os.close(process)
    return f"; ended {', '.join(ended)}" if ended else ""


def _program(entry: Path, folder: Path, users: set[int | None]) -> str:
    """Its name, if it is one of ours that works in ``folder``; else empty. Raises OSError."""
    words = (entry / "cmdline").read_bytes().split(b"\0")
    name, place = words[0].rpartition(b"/")[2], os.fsencode(folder)
    works_there = any(place in word for word in words[1:])
    return name.decode() if name in _PROGRAMS and works_there and entry.stat().st_uid in users else ""


def _end(process: int, number: signal.Signals) -> None:
    signal.pidfd_send_signal(process, number)
    if not select.select([process], [], [], _STOP_SECONDS)[0]:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], _STOP_SECONDS)
