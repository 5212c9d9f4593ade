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
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ops.backup.errors import Damaged, KeyMismatch
from ops.backup.streams import in_blocks, on_thread

MAGIC: Final = b"TRNKSEAL\x01"
KEY_BYTES: Final = 32
CHUNK: Final = 1 << 20
_TAG: Final = 16
_SALT: Final = 32
_ID: Final = 8
HEADER_BYTES: Final = len(MAGIC) + _ID + _SALT


class Keys(Protocol):
    """What opens objects: one key, or the present one and those before it."""

    def made_with(self, identity: str, name: str) -> Key:
        """The key with that id, for the object ``name``. Raises KeyMismatch where it is none of these."""


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

    def made_with(self, identity: str, name: str) -> Key:
        """As the port says."""
        if identity != self.id:
            raise mismatch(identity, name, [self])
        return self

    def __repr__(self) -> str:
        return f"Key({self.id})" if self.encrypts else "Key(none)"


OPEN: Final = Key(bytes(KEY_BYTES))
"""Where the owner has no key."""


def mismatch(made_with: str, name: str, given: Sequence[Key]) -> KeyMismatch:
    """That ``name`` was made with a key which is none of the ``given``; ids alone are told."""
    if made_with == OPEN.id:
        return KeyMismatch(
            f"{name} is not encrypted, yet TRUNKLINE_BACKUP_KEY_FILE is set: unset it to read it, or write the line "
            "`none` into the file of TRUNKLINE_BACKUP_OLD_KEYS"
        )
    ids = [key.id for key in given if key.encrypts]
    have = "no key is given (TRUNKLINE_BACKUP_KEY_FILE)"
    if ids:
        have = f"the key given is {ids[0]}" if len(ids) == 1 else f"the keys given are {', '.join(ids)}"
    return KeyMismatch(
        f"{name} is encrypted with the key {made_with}, and {have}: give the one it was made with; where it was "
        "replaced, among TRUNKLINE_BACKUP_OLD_KEYS"
    )


def made_by(header: bytes) -> str | None:
    """The id of the key that an object was closed with, of its first bytes; None: it is no sealed object."""
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        return None
    return header[len(MAGIC) :][:_ID].hex()


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
    name: str, source: AsyncIterable[bytes], keys: Keys, seen: Callable[[bytes], object] = _unseen
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
    identity = made_by(header)
    if identity is None:
        await blocks.aclose()
        raise Damaged(f"{name} is no sealed object, or its beginning is damaged")
    cipher = keys.made_with(identity, name).cipher(name, header[-_SALT:])
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
