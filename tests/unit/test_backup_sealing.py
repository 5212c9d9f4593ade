"""Objects closed by the owner's key: they open to what went in, and to nothing else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from ops.backup.errors import Damaged, KeyMismatch
from ops.backup.keys import load_key
from ops.backup.sealing import CHUNK, HEADER_BYTES, OPEN, Key, opened, sealed
from ops.backup.streams import gathered, of_bytes

KEY = Key(bytes(range(32)))
SEALED_CHUNK = CHUNK + 16


async def closed(content: bytes, name: str = "a", key: Key = KEY) -> bytes:
    return await gathered(sealed(name, of_bytes(content), key))


async def reopened(content: bytes, name: str = "a", key: Key = KEY) -> bytes:
    return await gathered(opened(name, of_bytes(content), key))


async def dribbled(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
async def test_what_was_closed_opens(size: int) -> None:
    content = os.urandom(size)
    kept = await closed(content)
    assert content[:64] not in kept or size < 64
    assert await reopened(kept) == content
    assert await gathered(opened("a", dribbled(kept, 70_001), KEY)) == content


async def test_the_same_content_is_never_closed_to_the_same() -> None:
    assert await closed(b"content") != await closed(b"content")


@pytest.mark.parametrize("place", [0, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + CHUNK + 5, -1])
async def test_every_flipped_byte_is_found(place: int) -> None:
    kept = bytearray(await closed(os.urandom(2 * CHUNK + 10)))
    kept[place] ^= 1
    with pytest.raises(Damaged):
        await reopened(bytes(kept))


@pytest.mark.parametrize("left", [0, 5, HEADER_BYTES, HEADER_BYTES + 10, HEADER_BYTES + SEALED_CHUNK, -1])
async def test_every_cut_is_found(left: int) -> None:
    kept = await closed(os.urandom(2 * CHUNK + 10))
    with pytest.raises(Damaged):
        await reopened(kept[:left])


async def test_a_cut_between_two_chunks_is_called_one() -> None:
    kept = await closed(os.urandom(3 * CHUNK))
    with pytest.raises(Damaged, match="a is cut off after 2 MiB"):
        await reopened(kept[: HEADER_BYTES + 2 * SEALED_CHUNK])


async def test_chunks_in_another_order_do_not_open() -> None:
    kept = await closed(os.urandom(3 * CHUNK))
    header, rest = kept[:HEADER_BYTES], kept[HEADER_BYTES:]
    first, second, third = (rest[start : start + SEALED_CHUNK] for start in range(0, len(rest), SEALED_CHUNK))
    with pytest.raises(Damaged, match="between MiB 0 and 1"):
        await reopened(header + second + first + third)
    with pytest.raises(Damaged):
        await reopened(header + first + third)
    with pytest.raises(Damaged):
        await reopened(kept + third)


async def test_an_object_passes_for_no_other() -> None:
    with pytest.raises(Damaged):
        await reopened(await closed(b"content", "wal/1"), "wal/2")


async def test_the_wrong_key_is_told_from_damage() -> None:
    kept = await closed(b"content")
    other = Key(bytes(reversed(range(32))))
    with pytest.raises(KeyMismatch, match=f"key {KEY.id}, and the key given is {other.id}"):
        await reopened(kept, key=other)
    with pytest.raises(KeyMismatch, match="no key is given"):
        await reopened(kept, key=OPEN)
    with pytest.raises(KeyMismatch, match="a is not encrypted"):
        await reopened(await closed(b"content", key=OPEN))


async def test_without_a_key_damage_is_found_all_the_same() -> None:
    kept = bytearray(await closed(b"content", key=OPEN))
    assert await reopened(bytes(kept), key=OPEN) == b"content"
    kept[-20] ^= 1
    with pytest.raises(Damaged):
        await reopened(bytes(kept), key=OPEN)


def test_a_key_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY._bytes.hex() + "\n")
    file.chmod(0o600)
    assert load_key(file) == KEY
    assert KEY._bytes.hex() not in repr(KEY)
    assert load_key(None) == OPEN
    assert not OPEN.encrypts


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o660, 0o666])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(KEY._bytes.hex())
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"others may read or change .*\(mode {mode:o}\): `chmod 600") as told:
        load_key(file)
    assert KEY._bytes.hex() not in str(told.value)
    for fine in (0o400, 0o600, 0o440, 0o640):
        file.chmod(fine)
        assert load_key(file) == KEY


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "ab" * 31, "00" * 32, "ключ"])
def test_a_file_without_a_key_is_said(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="expected 64 hexadecimal digits"):
        load_key(file)


def test_a_key_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read .*openssl rand -hex 32"):
        load_key(tmp_path / "none")
