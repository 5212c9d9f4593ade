"""Every storage keeps the same promises, in good weather and in bad."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import BackupS3Settings, Secret
from ops.backup.errors import ObjectMissing, RepositoryGone
from ops.backup.folder import FolderRepository
from ops.backup.repository import Repository
from ops.backup.s3 import S3Repository
from ops.backup.streams import gathered, of_bytes
from tests.backup_site.s3_server import FaultyProxy, running_s3

LARGE = 20 << 20
BUCKET = "trunkline-test"


@dataclass(frozen=True, slots=True)
class Place:
    """A storage under test."""

    repository: Repository


@dataclass(frozen=True, slots=True)
class Faulty:
    """A storage behind a network that has faults."""

    repository: Repository
    proxy: FaultyProxy


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3(BUCKET) as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "folder":
        yield Place(FolderRepository(tmp_path / "kept"))
        return
    async with FaultyProxy(request.getfixturevalue("s3")) as proxy:
        yield Place(S3Repository(f"s3://{BUCKET}/{os.urandom(4).hex()}", s3_settings(proxy.url)))


def s3_settings(url: str, timeout_s: float = 2.0) -> BackupS3Settings:
    return BackupS3Settings(url, access_key=Secret("test"), secret_key=Secret("test"), timeout_s=timeout_s)


async def pieces(size: int, fault: Callable[[], None] | None = None) -> AsyncIterator[bytes]:
    for start in range(0, size, 300_000):
        yield bytes([start // 300_000 % 251]) * min(300_000, size - start)
    if fault is not None:
        fault()


@pytest.mark.parametrize("size", [0, 1, LARGE])
async def test_what_is_put_is_got(place: Place, size: int) -> None:
    await place.repository.put("a/b/c", pieces(size))
    assert await gathered(place.repository.get("a/b/c")) == await gathered(pieces(size))
    (kept,) = await place.repository.listing("a/")
    assert (kept.name, kept.bytes) == ("a/b/c", size)


async def test_a_second_put_replaces(place: Place) -> None:
    await place.repository.put("x", of_bytes(b"one"))
    await place.repository.put("x", of_bytes(b"two"))
    assert await gathered(place.repository.get("x")) == b"two"


async def test_names_are_listed_in_order_and_by_folder(place: Place) -> None:
    for name in ("b/2", "b/1", "bc/3", "a"):
        await place.repository.put(name, of_bytes(b"."))
    assert [kept.name for kept in await place.repository.listing("b/")] == ["b/1", "b/2"]
    assert [kept.name for kept in await place.repository.listing("")] == ["a", "b/1", "b/2", "bc/3"]
    assert await place.repository.listing("nothing/") == []


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(place: Place) -> None:
    await place.repository.put("a/b", of_bytes(b"."))
    await place.repository.delete("a/b")
    await place.repository.delete("a/b")
    assert await place.repository.listing("") == []
    with pytest.raises(ObjectMissing, match="a/b is not in"):
        await gathered(place.repository.get("a/b"))


@pytest.mark.parametrize("size", [10, LARGE])
async def test_a_source_that_fails_leaves_nothing(place: Place, size: int) -> None:
    def fault() -> None:
        raise RuntimeError("the server is gone")

    with pytest.raises(RuntimeError, match="the server is gone"):
        await place.repository.put("a", pieces(size, fault))
    assert await place.repository.listing("") == []


async def test_a_source_that_fails_leaves_what_was_there(place: Place) -> None:
    def fault() -> None:
        raise RuntimeError("the server is gone")

    await place.repository.put("a", of_bytes(b"before"))
    with pytest.raises(RuntimeError):
        await place.repository.put("a", pieces(LARGE, fault))
    assert await gathered(place.repository.get("a")) == b"before"


async def test_a_put_that_is_cancelled_leaves_nothing(place: Place) -> None:
    never = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"." * 1000
        await never.wait()

    task = asyncio.create_task(place.repository.put("a", slow()))
    await asyncio.sleep(0.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert await place.repository.listing("") == []


# Bad weather: the network of the one, the disk of the other.


@pytest.fixture
async def faulty(s3: str) -> AsyncIterator[Faulty]:
    async with FaultyProxy(s3) as proxy:
        yield Faulty(S3Repository(f"s3://{BUCKET}/{os.urandom(4).hex()}", s3_settings(proxy.url)), proxy)


async def test_a_slow_storage_is_waited_for(faulty: Faulty) -> None:
    faulty.proxy.slow(0.7)
    await faulty.repository.put("a", pieces(1 << 20))
    assert await gathered(faulty.repository.get("a")) == await gathered(pieces(1 << 20))


async def test_503_for_a_while_is_waited_out(faulty: Faulty) -> None:
    faulty.proxy.refuse(2)
    await faulty.repository.put("a", of_bytes(b"kept"))
    assert await gathered(faulty.repository.get("a")) == b"kept"
    assert faulty.proxy.refused == 2


async def test_503_for_good_is_said(faulty: Faulty) -> None:
    faulty.proxy.refuse(1_000_000)
    with pytest.raises(RepositoryGone, match="slow, gone or broken"):
        await faulty.repository.put("a", of_bytes(b"."))
    faulty.proxy.refuse(0)
    assert await faulty.repository.listing("") == []


async def test_an_upload_that_is_cut_leaves_nothing(faulty: Faulty) -> None:
    faulty.proxy.cut_after(1 << 20)
    with pytest.raises(RepositoryGone):
        await faulty.repository.put("a", pieces(LARGE))
    faulty.proxy.heal()
    assert await faulty.repository.listing("") == []


async def test_a_storage_that_hangs_is_said(faulty: Faulty) -> None:
    faulty.proxy.hang()
    with pytest.raises(RepositoryGone):
        await faulty.repository.listing("a/")
    with pytest.raises(RepositoryGone):
        await faulty.repository.put("a", pieces(LARGE))


async def test_a_storage_that_is_gone_is_said() -> None:
    gone = S3Repository(f"s3://{BUCKET}/x", s3_settings("http://127.0.0.1:9"))
    with pytest.raises(RepositoryGone, match="s3://trunkline-test/x is slow, gone or broken"):
        await gone.listing("")
    with pytest.raises(RepositoryGone):
        await gone.put("a", of_bytes(b"."))


async def test_a_folder_that_is_no_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RepositoryGone, match="refuses a"):
        await FolderRepository(tmp_path / "file" / "kept").put("a", of_bytes(b"."))


async def test_nothing_half_written_is_listed(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / ".writing-0123").write_bytes(b"half")  # a crash left it
    assert await repository.listing("") == []
