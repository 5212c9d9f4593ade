"""Calls by SIPp: an independent implementation of SIP and RTP, many calls at once."""

from __future__ import annotations

import asyncio
import os
import socket
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.telephony.rig.heard import Samples
from tests.telephony.rig.install import Installation
from tests.telephony.rig.ports import free_block
from tests.telephony.rig.rtp import mulaw_encode

_SCENARIO: Final = Path(__file__).parent / "sipp" / "caller.xml"


@dataclass(frozen=True, slots=True)
class SippResult:
    """How the calls went."""

    successful: int
    failed: int
    output: str


async def place_calls(
    installation: Installation, pbx_port: int, extension: str, *, calls: int, seconds: float, speech: Samples
) -> SippResult:
    """So many calls at once, each speaking ``speech`` over and over for that long. Raises TimeoutError."""
    with tempfile.TemporaryDirectory(prefix="tl-sipp-") as name:
        folder = Path(name)
        (folder / "speech.ulaw").write_bytes(mulaw_encode(speech))
        values = {"extension": extension, "speech": folder / "speech.ulaw", "milliseconds": round(seconds * 1000)}
        (folder / "caller.xml").write_text(string.Template(_SCENARIO.read_text()).substitute(values))
        ports = free_block(2 + 3 * calls, socket.SOCK_DGRAM)
        options = {
            "-i": "127.0.0.1",
            "-mi": "127.0.0.1",
            "-p": str(ports),
            "-min_rtp_port": str(ports + 2),
            "-max_rtp_port": str(ports + 1 + 3 * calls),
            "-sf": str(folder / "caller.xml"),
            "-m": str(calls),
            "-l": str(calls),
            "-r": str(calls),
            "-timeout": f"{seconds + 20:.0f}s",
        }
        arguments = [argument for option in options.items() for argument in option]
        command = installation.command(
            "usr/bin/sipp", f"127.0.0.1:{pbx_port}", *arguments, "-nostdin", "-timeout_error"
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, "TERM": "dumb", "LC_ALL": "C"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            printed, _ = await asyncio.wait_for(process.communicate(), seconds + 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    output = printed.decode(errors="replace")
    return SippResult(_count(output, "Successful call"), _count(output, "Failed call"), output)


def _count(output: str, label: str) -> int:
    """The cumulative column of the last statistics that SIPp printed."""
    lines = [line for line in output.splitlines() if line.strip().startswith(label)]
    return int(lines[-1].rsplit("|", 1)[-1]) if lines else -1
