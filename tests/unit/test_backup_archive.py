"""A tar archive that streams by: one file is picked out, and the archive is not changed."""

from __future__ import annotations

import asyncio
import gc
import io
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from ops.backup.archive import Picker, unpack
from ops.backup.errors import Damaged


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        folder = tarfile.TarInfo("base")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        writer.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o600
            writer.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


FILES = {"base/1": b"x" * 1000, "base/2": b"", "base/3": b"y" * 512, "backup_manifest": b"{}" * 700, "last": b"z"}


async def dribbled(content: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 100, 511, 512, 513, 100_000])
def test_the_file_is_picked_however_the_bytes_come(size: int) -> None:
    whole = archive(FILES)
    picker = Picker("backup_manifest")
    for start in range(0, len(whole), size):
        picker.feed(memoryview(whole)[start : start + size])
    assert picker.content == FILES["backup_manifest"]


def test_a_file_that_is_not_there_is_empty() -> None:
    picker = Picker("backup_manifest")
    picker.feed(memoryview(archive({"a": b"b"})))
    assert picker.content == b""


def test_what_is_no_archive_is_said() -> None:
    with pytest.raises(Damaged, match="no tar archive"):
        Picker("x").feed(memoryview(b"no archive " * 1000))


async def test_an_archive_is_unpacked(tmp_path: Path) -> None:
    await unpack(dribbled(archive(FILES), 5000), tmp_path, "it")
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


async def test_an_archive_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(Damaged, match="it is no whole archive"):
        await unpack(dribbled(archive({"../out": b"x"}), 5000), tmp_path / "in", "it")
    assert not (tmp_path / "out").exists()


async def test_a_cut_archive_is_said(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="it is no whole archive"):
        await unpack(dribbled(archive({"big": b"x" * 100_000})[:50_000], 5000), tmp_path, "it")


async def test_a_source_that_fails_says_its_own_fault(tmp_path: Path) -> None:
    async def fails() -> AsyncGenerator[bytes, None]:
        yield archive(FILES)[:2000]
        raise Damaged("the storage")

    with pytest.raises(Damaged, match="the storage"):
        await unpack(fails(), tmp_path, "it")


async def test_a_source_that_fails_is_what_is_told_and_nothing_else(tmp_path: Path) -> None:
    async def damaged() -> AsyncGenerator[bytes, None]:
        for block in list[bytes]():
            yield block
        raise Damaged("base is cut off or damaged after 0 MiB")

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    with pytest.raises(Damaged, match="cut off or damaged"):
        await unpack(damaged(), tmp_path, "base")
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
