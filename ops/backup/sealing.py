"""Objects closed by the owner's key: AES-256-GCM in chunks, so that an object of any size is a stream.

An object is ``TRNKSEAL``, a version byte, the key's id (8 bytes), a salt (32 bytes), then chunks of 1 MiB, each with 16
bytes of tag; the last may be shorter. Its own key comes from the owner's by HKDF-SHA256 over salt and **name**, so that
no object passes for another. A chunk's nonce is its number and whether it is the last: a chunk that was changed, lost,
moved or cut off does not open.

Without a key the same is done with one that everybody knows (zeros): damage is found all the same, and nobody is
kept out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import ConfigurationError
from ops.backup.errors import Damaged, KeyMismatch
from ops.backup.streams import in_blocks, on_thread

MAGIC: Final = b"TRNKSEAL\x01"
KEY_BYTES: Final = 32
CHUNK: Final = 1 << 20
_TAG: Final = 16
_SALT: Final = 32
_ID: Final = 8
_TOO_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP
"""A group may read: that is how Kubernetes gives a secret to a pod."""
HEADER_BYTES: Final = len(MAGIC) + _ID + _SALT


@dataclass(frozen=True, slots=True)
class Key:
    """The owner's key; never printed."""

    _bytes: bytes

    @property
    def encrypts(self) -> bool:
        """Whether it keeps anybody out."""
        return any(self._bytes)

    @property
    def id(self) -> str:
        """Tells keys apart and nothing else; 16 hexadecimal digits."""
        return hashlib.sha256(b"trunkline backup key id" + self._bytes).hexdigest()[: 2 * _ID]

    def digest(self, purpose: str, content: bytes) -> str:
        """HMAC-SHA256 of ``content``, hexadecimal: nobody without the key can make it, or try values on it."""
        return hmac.new(self._bytes, purpose.encode() + b"\0" + content, hashlib.sha256).hexdigest()

    def cipher(self, name: str, salt: bytes) -> AESGCM:
        """For one object."""
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"trunkline backup object\0" + name.encode()).derive(self._bytes))

    def __repr__(self) -> str:
        return f"Key({self.id})" if self.encrypts else "Key(none)"


OPEN: Final = Key(bytes(KEY_BYTES))
"""Where the owner has no key."""


def load_key(file: Path | None) -> Key:
    """The key of a file; OPEN where there is none set. Raises ConfigurationError."""
    if file is None:
        return OPEN
    try:
        text = file.read_text("ascii").strip()
        content = bytes.fromhex(text)
        mode = file.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f"TRUNKLINE_BACKUP_KEY_FILE: {file} cannot be read ({error.strerror}); `openssl rand -hex 32` makes a key"
        ) from error
    except ValueError:
        content, mode = b"", 0
    if len(content) != KEY_BYTES or not any(content):
        raise ConfigurationError(
            f"TRUNKLINE_BACKUP_KEY_FILE: {file} holds no key: expected 64 hexadecimal digits, as "
            "`openssl rand -hex 32` prints them"
        )
    if mode & _TOO_OPEN:
        raise ConfigurationError(
            f"TRUNKLINE_BACKUP_KEY_FILE: others may read or change {file} (mode {stat.S_IMODE(mode):o}): "
            f"`chmod 600 {file}`; its group may read it (640) where it must"
        )
    return Key(content)


def _unseen(block: bytes) -> None:
    """Of no interest."""


async def sealed(
    name: str, source: AsyncIterable[bytes], key: Key, seen: Callable[[bytes], object] = _unseen
) -> AsyncGenerator[bytes, None]:
    """``source`` closed under ``name``, chunk by chunk; ``seen`` gets each piece of it on the thread that made it."""
    salt = os.urandom(_SALT)
    cipher = key.cipher(name, salt)
    header = MAGIC + bytes.fromhex(key.id) + salt
    seen(header)
    yield header

    def closed(chunk: bytes, number: int, last: bool) -> bytes:
        made = cipher.encrypt(_nonce(number, last=last), chunk, None)
        seen(made)
        return made

    number, waiting = 0, b""
    async for block in in_blocks(source, CHUNK):
        if waiting:
            yield await on_thread(closed, waiting, number, False)
            number += 1
        waiting = block
    yield await on_thread(closed, waiting, number, True)


async def opened(
    name: str, source: AsyncIterable[bytes], key: Key, seen: Callable[[bytes], object] = _unseen
) -> AsyncGenerator[bytes, None]:
    """What was closed under ``name``; ``seen`` gets each piece before it is opened. Raises KeyMismatch, and Damaged at
    the first chunk that is not as it was made.
    """

    def decrypted(block: bytes, number: int, last: bool) -> bytes:
        seen(block)
        return _decrypt(cipher, name, number, block, last)

    blocks = _after_header(source)
    header = await anext(blocks)
    seen(header)
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        await blocks.aclose()
        raise Damaged(f"{name} is no sealed object, or its beginning is damaged")
    _check_key(name, header[len(MAGIC) :][:_ID].hex(), key)
    cipher = key.cipher(name, header[-_SALT:])
    number, waiting = 0, b""
    async for block in blocks:
        if waiting:
            yield await on_thread(decrypted, waiting, number, False)
            number += 1
        waiting = block
    if len(waiting) < _TAG:
        raise Damaged(f"{name} is cut off after {number} MiB")
    yield await on_thread(decrypted, waiting, number, True)


async def _after_header(source: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The header, then sealed chunks."""
    buffer = b""
    rest = aiter(source)
    async for piece in rest:
        buffer += piece
        if len(buffer) >= HEADER_BYTES:
            break
    yield buffer[:HEADER_BYTES]

    async def chained() -> AsyncIterator[bytes]:
        yield buffer[HEADER_BYTES:]
        async for piece in rest:
            yield piece

    async for block in in_blocks(chained(), CHUNK + _TAG):
        yield block


def _check_key(name: str, made_with: str, key: Key) -> None:
    if made_with == key.id:
        return
    if made_with == OPEN.id:
        raise KeyMismatch(f"{name} is not encrypted, yet TRUNKLINE_BACKUP_KEY_FILE is set: unset it to read it")
    have = f"the key given is {key.id}" if key.encrypts else "no key is given (TRUNKLINE_BACKUP_KEY_FILE)"
    raise KeyMismatch(f"{name} is encrypted with the key {made_with}, and {have}: give the one it was made with")


def _decrypt(cipher: AESGCM, name: str, number: int, block: bytes, last: bool) -> bytes:
    try:
        return cipher.decrypt(_nonce(number, last=last), block, None)
    except InvalidTag:
        pass
    if last and _opens(cipher, number, block):
        raise Damaged(f"{name} is cut off after {number + 1} MiB")
    if last:
        raise Damaged(f"{name} is cut off or damaged after {number} MiB")
    raise Damaged(f"{name} is damaged between MiB {number} and {number + 1}")


def _opens(cipher: AESGCM, number: int, block: bytes) -> bool:
    """Whether it is whole, and there was more after it."""
    try:
        cipher.decrypt(_nonce(number, last=False), block, None)
    except InvalidTag:
        return False
    return True


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
