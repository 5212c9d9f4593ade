"""Write-ahead log by its names: positions, segments, timelines, and which segments a restore needs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ops.backup.errors import WalMissing

_SEGMENT: Final = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?")
_HISTORY: Final = re.compile(r"([0-9A-F]{8})\.history")
_SWITCH: Final = re.compile(r"^\s*(\d+)\s+([0-9A-Fa-f]+/[0-9A-Fa-f]+)", re.MULTILINE)


def position(text: str) -> int:
    """``16/B374D848`` as a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def shown(lsn: int) -> str:
    """A number of bytes as ``16/B374D848``."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A file of the log."""

    timeline: int
    number: int
    """Since the beginning of the log; its first byte is ``number`` times the size of a segment."""
    partial: bool = False
    """It is not full yet."""

    @classmethod
    def parse(cls, name: str, segment_bytes: int) -> Segment | None:
        """None for any other file."""
        match = _SEGMENT.fullmatch(name)
        if match is None:
            return None
        number = int(match[2], 16) * (0x1_0000_0000 // segment_bytes) + int(match[3], 16)
        return cls(int(match[1], 16), number, partial=match[4] is not None)

    @classmethod
    def at(cls, lsn: int, timeline: int, segment_bytes: int) -> Segment:
        """The one that holds the byte at ``lsn``."""
        return cls(timeline, lsn // segment_bytes)

    def name(self, segment_bytes: int) -> str:
        """As PostgreSQL names it; ``.partial`` is not part of it."""
        high, low = divmod(self.number, 0x1_0000_0000 // segment_bytes)
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def history_timeline(name: str) -> int | None:
    """The timeline whose history a file tells; None for any other file."""
    match = _HISTORY.fullmatch(name)
    return int(match[1], 16) if match else None


def ancestry(timeline: int, histories: Mapping[int, str]) -> dict[int, int]:
    """Timelines that lead to ``timeline``, itself included, each with the position at which it begins."""
    begins, last = {}, 0
    for number, switch in _SWITCH.findall(histories.get(timeline, "")):
        begins[int(number)] = last
        last = position(switch)
    begins[timeline] = last
    return begins


def newest_timeline(start: int, histories: Mapping[int, str]) -> int:
    """The newest that goes on from the timeline ``start``."""
    return max((each for each in histories if start in ancestry(each, histories)), default=start)


def needed(
    kept: Iterable[Segment],
    histories: Mapping[int, str],
    *,
    timeline: int,
    start: int,
    stop: int | None,
    segment_bytes: int,
    held: Sequence[int] = (),
    to_gap: bool = False,
) -> list[Segment]:
    """Segments to bring along for a restore that begins at ``start`` on ``timeline`` and ends at ``stop`` (None: as far
    as the log goes), a full one before a partial one. ``held``: numbers of segments that the backup itself holds.
    ``to_gap``: where one is missing, those before it, rather than an error.

    Raises WalMissing where one between them is not kept.
    """
    begins = ancestry(newest_timeline(timeline, histories), histories)
    usable: dict[int, list[Segment]] = {}
    for segment in kept:
        if segment.timeline in begins and segment.number >= begins[segment.timeline] // segment_bytes:
            usable.setdefault(segment.number, []).append(segment)
    first = start // segment_bytes
    last = max(usable, default=first) if stop is None else stop // segment_bytes
    chosen: list[Segment] = []
    for number in range(first, last + 1):
        here = usable.get(number, [])
        if not here and number not in held:
            if to_gap:
                break
            name = Segment(timeline, number).name(segment_bytes)
            raise WalMissing(
                f"the write-ahead log is not whole: segment {name} is not kept; "
                f"`--to-lsn {shown(number * segment_bytes)}` restores to what is before it"
            )
        newest = max((each.timeline for each in here), default=0)
        for each in sorted(here, key=lambda one: (one.timeline, one.partial)):
            whole = Segment(each.timeline, each.number) in here
            # Of a former timeline too: its end may be needed where the newer one begins within the segment.
            if each.partial and (whole or (each.timeline != newest and stop is None)):
                continue
            chosen.append(each)
    return chosen
