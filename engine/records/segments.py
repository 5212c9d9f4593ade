"""How an outbox lies on disk: files of fixed size, each a row of records, numbered by the first record in it.

A record is its length and its checksum (two little-endian 32-bit numbers; the CRC-32 begins with the length) and as
many bytes of JSON. Files are made in full size beforehand and hold zeros behind the last record, so a length of zero
is the end. What a crash left half written has no valid checksum and nothing valid behind it: it is the torn end.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = struct.Struct("<II")
LONGEST_RECORD: Final = 256 << 10
"""Bytes of JSON; what is longer is refused, and counted."""

_NAME: Final = re.compile(r"([0-9]{20})\.seg")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file."""

    path: Path
    base: int
    """Number of its first record."""


def segments(folder: Path) -> list[Segment]:
    """The files of an outbox, the oldest first."""
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    return sorted((Segment(path, int(match[1])) for path, match in found if match), key=lambda one: one.base)


def segment_path(folder: Path, base: int) -> Path:
    return folder / f"{base:020d}.seg"


def encode(payload: bytes) -> bytes:
    """A record of these bytes. Raises ValueError where they are too many, or none."""
    if not 0 < len(payload) <= LONGEST_RECORD:
        raise ValueError(f"a record has 1 to {LONGEST_RECORD} bytes, not {len(payload)}")
    return HEADER.pack(len(payload), zlib.crc32(payload, len(payload))) + payload


def records(data: bytes, offset: int = 0) -> Iterator[tuple[bytes | None, int]]:
    """Each record from ``offset`` on and where the next one begins, until the end or what is torn.

    A record that is damaged, though sound ones follow it, is None.
    """
    while True:
        payload, following = _record(data, offset)
        if following == 0 or (payload is None and _record(data, following)[0] is None):
            return
        yield payload, following
        offset = following


def _record(data: bytes, offset: int) -> tuple[bytes | None, int]:
    """The record at ``offset`` and the offset behind it; 0 where there is none, None where its checksum is wrong."""
    start = offset + HEADER.size
    if start > len(data):
        return None, 0
    length, checksum = HEADER.unpack_from(data, offset)
    following = start + length
    if not 0 < length <= LONGEST_RECORD or following > len(data):
        return None, 0
    payload = data[start:following]
    return (payload if zlib.crc32(payload, length) == checksum else None), following
