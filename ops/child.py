"""Servers that run beside the engine, each a child process: started, watched, started anew, ended with us.

A keeper is a thread that lives as long as its server. The server dies with it even where we are killed (the kernel is
asked for that), and is in a session of its own, so that Ctrl-C at the terminal reaches us alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Protocol

from engine.errors import TrunklineError

SHORTEST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
LOOK_SECONDS: Final = 0.2
NICENESS: Final = 5
"""Added to a server's: calls, which owe a frame every 20 ms, come first on a busy machine."""
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "TMPDIR")

# Not by a function that runs between fork and exec: that may wait for ever for a lock that another thread held. The
# kernel forgets the wish at a change of the user, so that comes first.
_LAUNCH: Final = """
import ctypes, os, sys
user, group, parent, number, niceness = map(int, sys.argv[1:6])
os.nice(niceness)
if user >= 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
with_parent = getattr(ctypes.CDLL(None), "prctl", None)
if with_parent is not None:
    with_parent(1, number, 0, 0, 0)
if os.getppid() == parent:
    os.execv(sys.argv[6], sys.argv[6:])
"""


def inherited() -> dict[str, str]:
    """What of our environment a server is given. The rest may be secrets, and the server another user's process."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}


class ServerFailed(TrunklineError):
    """A server did not start; the message says why and what to do."""


class ServerElsewhere(TrunklineError):
    """It is another engine's, which runs."""


class Server(Protocol):
    """A server beside the engine."""

    name: str

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and return when it can be used. Raises ServerFailed, ServerElsewhere."""

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End it in order."""

    def withdraw(self) -> None:
        """It runs no more: take its address back. Idempotent."""

    def release(self) -> None:
        """Another engine may have it. Idempotent."""


class Keeper:
    """Keeps one server running."""

    def __init__(self, server: Server, say: Callable[[str], None]) -> None:
        self._server = server
        self._say = say
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=server.name, daemon=True)
        self._told = ""

    def start(self) -> None:
        """Returns at once; the server follows."""
        self._thread.start()

    def stop(self, seconds: float = 40.0) -> None:
        """End the server and wait for it, at most so long."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._ending.is_set():
            try:
                process = self._server.start()
            except ServerElsewhere as error:
                self._tell(str(error))
                self._ending.wait(5.0)
                continue
            except Exception as error:  # whatever it is: calls go on
                told = str(error) if isinstance(error, TrunklineError) else type(error).__name__
                self._tell(f"{self._server.name} did not start, the engine goes on without it: {told}")
                self._server.withdraw()
                self._ending.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if self._told:
                self._tell(f"{self._server.name} runs")
            began = time.monotonic()
            while process.poll() is None and not self._ending.wait(LOOK_SECONDS):
                pass
            self._server.withdraw()
            if process.poll() is None:
                self._server.stop(process)
                break
            self._tell(f"{self._server.name} ended by itself ({process.returncode}) and is started again")
            pause = SHORTEST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            self._ending.wait(pause if pause > SHORTEST_PAUSE else 0)
        self._server.release()

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._say(text)
        self._told = text


def launch(
    command: Sequence[str | Path],
    *,
    with_parent: signal.Signals,
    user: tuple[int, int] | None = None,
    cwd: Path,
    output: IO[bytes],
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that gets the signal ``with_parent`` when the thread that calls this ends. Raises OSError.

    ``user``: user and group it runs as; ``stdin``: what it reads there, a few kilobytes.
    """
    uid, gid = user or (-1, -1)
    arguments = [str(part) for part in (uid, gid, os.getpid(), int(with_parent), NICENESS, *command)]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, *arguments],
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=output,
        stderr=output,
        cwd=cwd,
        env={**inherited(), **(environment or {})},
        start_new_session=True,
    )
    if stdin is not None and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
    return process


def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait so many seconds after it, until the process is gone; then SIGKILL."""
    for number, seconds in steps:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    process.kill()
    process.wait()


def write_private(path: Path, text: str) -> None:
    """A file for its owner alone, there as a whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def tail(log: Path, lines: int = 5) -> str:
    """The end of a server's log, on one line."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
