"""Objects in a folder, as they lie on the disk: past the memory where the file system can, through it where not."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ops.backup import folder
from ops.backup.errors import RepositoryGone
from ops.backup.folder import FolderRepository
from ops.backup.streams import gathered

MEBI = 1 << 20


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 300_000):
        yield content[start : start + 300_000]


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each time that a file is switched to write past the memory, or back."""
    seen: list[bool] = []
    real = folder._set_direct

    def switch(descriptor: int, *, on: bool) -> None:
        seen.append(on)
        real(descriptor, on=on)

    monkeypatch.setattr(folder, "_set_direct", switch)
    return seen


@pytest.mark.parametrize("size", [0, 1, MEBI - 1, MEBI, MEBI + 1, 3 * MEBI, 3 * MEBI + 4097])
async def test_an_object_comes_back_as_it_was(tmp_path: Path, turns: list[bool], size: int) -> None:
    content = os.urandom(size)
    repository = FolderRepository(tmp_path)
    await repository.put("a/b", pieces(content))
    assert await gathered(repository.get("a/b")) == content
    assert (tmp_path / "a" / "b").read_bytes() == content
    assert turns == [True, False] * (size // MEBI), "whole blocks alone"


@pytest.mark.parametrize("where", ["switch", "write"])
async def test_a_file_system_that_cannot_has_it_through_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asked = 0
    real, write = folder._set_direct, os.write

    def refused(descriptor: int, *, on: bool) -> None:
        nonlocal asked
        asked += on
        if on and where == "switch":
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor, on=on)

    def picky(descriptor: int, content: Any) -> int:
        if where == "write" and isinstance(content, mmap.mmap):
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(descriptor, content)

    monkeypatch.setattr(folder, "_set_direct", refused)
    monkeypatch.setattr(os, "write", picky)
    content = os.urandom(4 * MEBI + 5)
    repository = FolderRepository(tmp_path)
    await repository.put("it", pieces(content))
    assert (tmp_path / "it").read_bytes() == content
    assert asked == 1, "it is not asked again"


async def test_a_block_that_is_written_in_part_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def short(descriptor: int, content: Any) -> int:
        if isinstance(content, mmap.mmap):
            return write(descriptor, content[: MEBI // 2])
        return write(descriptor, content)

    monkeypatch.setattr(folder, "_set_direct", lambda _, on: None)
    monkeypatch.setattr(os, "write", short)
    content = os.urandom(2 * MEBI)
    repository = FolderRepository(tmp_path)
    await repository.put("it", pieces(content))
    assert (tmp_path / "it").read_bytes() == content


async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RepositoryGone, match="No space left"):
        await FolderRepository(tmp_path).put("it", pieces(bytes(2 * MEBI)))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing to wait for
