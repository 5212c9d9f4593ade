"""One running Asterisk: configuration and state in a folder of its own, loopback alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.telephony.rig.install import Installation
from tests.telephony.rig.ports import free_block, give_back

CONF: Final = Path(__file__).parent / "conf"
DIALPLAN: Final = Path(__file__).parents[3] / "ops" / "deploy" / "asterisk" / "extensions.conf"

_BOOT_WITHIN: Final = 30.0


class AsteriskError(Exception):
    """Asterisk did not start, or did not do what it was told; the message ends with its log."""


class Asterisk:
    """``start``, use, ``stop``. ``legs`` is the number of simultaneous RTP legs (a call to the operator has two)."""

    def __init__(self, installation: Installation, *, legs: int = 24) -> None:
        self._installation = installation
        self._ports = 2 + 2 * legs
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path()
        self.sip_port = 0
        self.operator_port = 0
        self.version = ""
        self.boot_seconds = 0.0

    def start(self) -> None:
        """Start and wait until fully booted. Raises AsteriskError."""
        began = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="tl-asterisk-"))  # short: a Unix socket's path is limited
        self._configure()
        with (self.folder / "console").open("wb") as console:
            self._process = subprocess.Popen(
                self._command("-f"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=self._environment(),
                start_new_session=True,
            )
        while "fully booted" not in self._console("core waitfullybooted"):
            if self._process.poll() is not None or time.monotonic() - began > _BOOT_WITHIN:
                said = (self.folder / "console").read_text(errors="replace")[-1500:] + self.log()[-1500:]
                self.stop()
                raise AsteriskError(f"Asterisk did not start:\n{said}")
            time.sleep(0.05)
        self.version = self._console("core show version").split(" built ")[0].strip()
        self.boot_seconds = time.monotonic() - began

    def stop(self) -> None:
        """Stop it and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._console("core stop now")
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGKILL)
                self._process.wait()
        self._process = None
        if self.sip_port:
            give_back(self.sip_port, self._ports, socket.SOCK_DGRAM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self, offset: int = 0) -> str:
        """Its log from that byte on."""
        with contextlib.suppress(OSError), (self.folder / "log" / "full").open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")
        return ""

    def log_size(self) -> int:
        """Bytes of the log so far."""
        with contextlib.suppress(OSError):
            return (self.folder / "log" / "full").stat().st_size
        return 0

    async def command(self, line: str) -> str:
        """Run a console command; returns what it prints. Raises TimeoutError."""
        process = await asyncio.create_subprocess_exec(
            *self._command("-rx", line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 10.0)
        return printed.decode(errors="replace")

    async def point_at(self, audiosocket: str, http: str, *, token: str = "", operator: str = "PJSIP/operator") -> None:
        """Send calls from now on to the engine at that HOST:PORT, with its telephony endpoint at that URL."""
        values = {"AUDIO": audiosocket, "HTTP": http, "TOKEN": f'"{token}"', "OPERATOR": operator}
        for name, value in values.items():
            await self.command(f"dialplan set global TRUNKLINE_{name} {value}")

    async def call_of(self, number: str, *, within: float = 5.0) -> str:
        """The UUID of the call that this caller has with the engine. Raises AsteriskError."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            for line in (await self.command("core show channels concise")).splitlines():
                fields = line.split("!")
                if len(fields) > 7 and fields[5] == "AudioSocket" and fields[7] == number:
                    return fields[6].split(",")[0]
            await asyncio.sleep(0.05)
        raise AsteriskError(f"no call of {number} with the engine")

    async def wait_idle(self, *, within: float) -> None:
        """Wait until no channel is left. Raises AsteriskError."""
        deadline = time.monotonic() + within
        while "0 active channels" not in (channels := await self.command("core show channels")):
            if time.monotonic() > deadline:
                raise AsteriskError(f"channels left:\n{channels}")
            await asyncio.sleep(0.1)

    def _configure(self) -> None:
        etc = self.folder / "etc"
        for part in (etc, self.folder / "run", self.folder / "log", self.folder / "lib", self.folder / "spool"):
            part.mkdir()
        ports = free_block(self._ports, socket.SOCK_DGRAM, keep=True)
        self.sip_port, self.operator_port, rtp_first = ports, ports + 1, ports + 2
        values = {
            "folder": str(self.folder),
            "modules": str(self._installation.modules),
            "data": str(self._installation.root / "usr" / "share" / "asterisk"),
            "sip_port": self.sip_port,
            "operator_port": self.operator_port,
            "rtp_first": rtp_first,
            "rtp_last": ports + self._ports - 1,
        }
        for template in CONF.glob("*.conf"):
            (etc / template.name).write_text(string.Template(template.read_text()).substitute(values))
        shutil.copyfile(DIALPLAN, etc / "trunkline.conf")

    def _command(self, *arguments: str) -> list[str]:
        return self._installation.command(
            "usr/sbin/asterisk", "-C", str(self.folder / "etc" / "asterisk.conf"), *arguments
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "OPENSSL_CONF": "/dev/null", "HOME": str(self.folder), "LC_ALL": "C"}

    def _console(self, line: str) -> str:
        done = subprocess.run(
            self._command("-rx", line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment(),
            timeout=20.0,
            check=False,
        )
        return done.stdout.decode(errors="replace")
