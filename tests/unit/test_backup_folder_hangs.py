"""A disk that hangs for ever: what waits for it ends, and so does the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.backup import folder
from ops.backup.errors import RepositoryGone
from ops.backup.folder import FolderRepository
from ops.backup.storage_threads import StorageThreads
from ops.backup.streams import gathered, of_bytes
from ops.backup.waits import within

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whoever waits for it hangs until the test is over."""
    monkeypatch.setattr(folder, "SECONDS", 0.2)
    event = threading.Event()
    yield event
    event.set()


async def test_an_open_that_hangs_is_given_up(tmp_path: Path, stuck: threading.Event) -> None:
    """A pipe that nobody writes to: to open it waits in the system, as a dead server's disk lets one wait."""
    del stuck
    os.mkfifo(tmp_path / "pipe")
    try:
        with pytest.raises(RepositoryGone, match=r"does not answer within 0 s: does the disk hang"):
            await gathered(FolderRepository(tmp_path).get("pipe"))
    finally:
        os.close(os.open(tmp_path / "pipe", os.O_RDWR))  # the thread goes on


@pytest.mark.parametrize("where", ["fsync", "write", "open"])
async def test_a_write_that_hangs_is_given_up(
    tmp_path: Path, stuck: threading.Event, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def hang(*_: object, **__: object) -> int:
        stuck.wait()
        raise OSError

    monkeypatch.setattr(os, where, hang)
    monkeypatch.setattr(folder, "_forget", lambda _: stuck.wait())
    with pytest.raises(RepositoryGone, match="does not answer"):
        await FolderRepository(tmp_path).put("a", of_bytes(b"content"))


async def test_others_go_on_while_all_of_them_hang(stuck: threading.Event) -> None:
    threads = StorageThreads(2)
    begun: list[int] = []
    hanging = [asyncio.create_task(threads.run(stuck.wait)) for _ in range(2)]
    await asyncio.sleep(0)  # both have begun
    with pytest.raises(TimeoutError):
        await within(0.2, threads.run(begun.append, 1))
    assert await asyncio.to_thread(lambda: "the loop's own") == "the loop's own"
    stuck.set()
    assert await asyncio.gather(*hanging) == [True, True]
    await threads.run(begun.append, 2)
    assert begun == [2], "what was given up before it began is not begun"


async def test_a_fault_is_the_caller_s() -> None:
    threads = StorageThreads()
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)
    assert await asyncio.gather(*(threads.run(divmod, number, 7) for number in range(50))) == [
        divmod(number, 7) for number in range(50)
    ]


def test_the_process_ends_though_its_thread_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    script = f"""\
import asyncio
from pathlib import Path
from ops.backup import folder
from ops.backup.errors import RepositoryGone
from ops.backup.streams import gathered
folder.SECONDS = 0.2
try:
    asyncio.run(gathered(folder.FolderRepository(Path({str(tmp_path)!r})).get("pipe")))
except RepositoryGone as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "does the disk hang" in done.stdout
