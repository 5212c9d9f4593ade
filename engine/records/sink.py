"""What a recorder asks of a place that takes events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.errors import TrunklineError
from engine.records.reading import Entry


class SinkAway(TrunklineError):
    """The place takes nothing now: it is tried again later, from where it says it is."""

    retryable = True
    outside = True


@dataclass(slots=True)
class SinkCounts:
    """What became of the events since the recorder began."""

    written: int = 0
    duplicates: int = 0
    """Were there already."""
    dead: int = 0
    """Set aside: no row can be made of them. They count as nothing else."""


class Sink(Protocol):
    """A database or a stream. It keeps, with what it was given, how far it has come in each outbox."""

    name: str
    counts: SinkCounts

    async def resume(self, outbox: str, first: int) -> int:
        """Number of the first record that it does not have; ``first`` is the oldest there is. Raises SinkAway."""

    async def write(self, outbox: str, entries: Sequence[Entry], following: int) -> None:
        """Take these and, in one with them, note that ``following`` comes next. Raises SinkAway: then resume."""

    async def close(self) -> None:
        """Idempotent."""
