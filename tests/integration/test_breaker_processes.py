"""One breaker, real processes."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.breaker import Breaker
from engine.breaker_record import FileRecord
from engine.errors import BreakerOpen

_FAILING = """
import asyncio, sys
from pathlib import Path
from engine.breaker import Breaker
from engine.breaker_record import FileRecord

async def main():
    breaker = Breaker("store", FileRecord(Path(sys.argv[1])), failures=10**9)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(sys.argv[2])):
        try:
            async with breaker.attempt():
                raise OSError
        except OSError:
            pass

asyncio.run(main())
"""

_PROBING = """
import asyncio, sys
from pathlib import Path
from engine.breaker import Breaker
from engine.breaker_record import FileRecord
from engine.errors import BreakerOpen

async def main():
    breaker = Breaker("store", FileRecord(Path(sys.argv[1])), half_open_after=0.001, probe_limit=600)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        epoch, probe = breaker.begin()
        while epoch < 0:  # the lock was busy: whoever calls makes an attempt that counts for nothing
            epoch, probe = breaker.begin()
        print("probe" if probe else "an attempt", flush=True)
        sys.stdin.readline()
    except BreakerOpen:
        print("refused", flush=True)

asyncio.run(main())
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.kill()
        process.communicate(timeout=30)


def test_no_failure_of_any_process_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "store.breaker"
    processes = [start(_FAILING, str(path), "2000") for _ in range(4)]
    try:
        assert [line(process) for process in processes] == ["ready"] * 4
        for process in processes:
            tell(process)
        assert [process.wait(60) for process in processes] == [0] * 4
    finally:
        end(processes)
    # A lock that was busy for two milliseconds costs a count, nothing else; on a loaded machine that happens.
    assert 7900 <= Breaker("store", FileRecord(path)).reading().failures <= 8000


def test_one_process_is_the_probe_and_one_that_dies_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.breaker"
    breaker = Breaker("store", FileRecord(path), half_open_after=0.001, probe_limit=600)

    async def fail() -> None:
        async with breaker.attempt():
            raise OSError

    for _ in range(5):
        with pytest.raises(OSError):
            asyncio.run(fail())
    processes = [start(_PROBING, str(path)) for _ in range(6)]
    try:
        assert [line(process) for process in processes] == ["ready"] * 6
        for process in processes:
            tell(process)
        said = [line(process) for process in processes]
        assert sorted(said) == ["probe"] + ["refused"] * 5
        probe = processes[said.index("probe")]
        probe.send_signal(signal.SIGKILL)
        probe.wait(30)
        with pytest.raises(BreakerOpen):
            asyncio.run(fail())  # its place is kept until the limit
        assert breaker.reading().state == "half_open"
        impatient = Breaker("store", FileRecord(path), probe_limit=0.0)
        impatient.begin()
        impatient.end(impatient.begin()[0], failed=False, probe=True)
        assert breaker.reading().state == "closed"
    finally:
        end(processes)
