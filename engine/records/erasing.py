"""Erasure of one caller: whose data it is, without his number; and until when.

A number is known by its digits, however it was written, and remembered as a keyed digest: with the key one can tell
that a number was erased, without it nobody can try numbers out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from engine.errors import ConfigurationError

LEAST_DIGITS: Final = 3
LEAST_TO_SEARCH: Final = 7
"""Digits that a number must have to be looked for in what others said: shorter ones stand in prices and sizes."""
KEY_BYTES: Final = 32

_WRITTEN: Final = re.compile(r"\+?[0-9\s().\-/]+")
_KEY_NAME: Final = b"trunkline erasure key"


def canonical(number: str) -> str:
    """The digits of a telephone number without the two zeros that may stand for its ``+``; empty: it has none."""
    return re.sub(r"[^0-9]", "", number).removeprefix("00")


def mention(number: str) -> str:
    """A pattern of a canonical ``number`` as somebody writes it in a text, its digits together or apart: for Python's
    ``re`` and for PostgreSQL's ``~``. What is a part of a longer number is another one."""
    between = "[ ()+./-]*"
    return f"(?:^|[^0-9])(?:0{between}0{between})?{between.join(number)}(?:$|[^0-9])"


def number_given(text: str) -> str:
    """The canonical form of a number that somebody wrote down.

    Raises ConfigurationError, which does not show it.
    """
    text = text.strip()
    number = canonical(text) if _WRITTEN.fullmatch(text) else ""
    if len(number) < LEAST_DIGITS:
        raise ConfigurationError(
            f"expected one telephone number, of {LEAST_DIGITS} digits or more, with nothing else beside it"
        )
    return number


def digest(key: bytes, number: str) -> bytes:
    """HMAC-SHA256 of a number in any form: 32 bytes."""
    return hmac.new(key, canonical(number).encode(), hashlib.sha256).digest()


def key_id(key: bytes) -> str:
    """By which one sees that two machines have the same key: 16 hex digits that tell nothing of it."""
    return hmac.new(key, _KEY_NAME, hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One erasure: what calls of this caller, begun until then, may nowhere be written again."""

    id: UUID
    digest: bytes
    requested_at: float
    """Seconds since 1970-01-01 UTC."""

    def line(self) -> str:
        """As it stands in the file, with its line end."""
        return json.dumps({"id": str(self.id), "digest": self.digest.hex(), "at": self.requested_at}) + "\n"

    @staticmethod
    def of(line: str) -> Tombstone:
        """Raises ValueError."""
        data = json.loads(line)
        try:
            one = Tombstone(UUID(str(data["id"])), bytes.fromhex(str(data["digest"])), float(data["at"]))
        except (KeyError, TypeError) as error:
            raise ValueError("a tombstone is an object with an id, a digest and a time") from error
        if len(one.digest) != hashlib.sha256().digest_size:
            raise ValueError("a tombstone's digest has 32 bytes")
        return one


class Erased:
    """Who was erased, and until when."""

    def __init__(self, key: bytes, tombstones: Iterable[Tombstone]) -> None:
        self._key = key
        self._until: dict[bytes, float] = {}
        for one in tombstones:
            self._until[one.digest] = max(one.requested_at, self._until.get(one.digest, 0.0))

    def __bool__(self) -> bool:
        return bool(self._until)

    def until(self, number: str) -> float | None:
        """When the last erasure of ``number`` was asked for, seconds since 1970; None: never."""
        if not self._until or not number:
            return None
        return self._until.get(digest(self._key, number))

    def covers(self, number: str, started_at: float) -> bool:
        """Whether a call of ``number`` that began at ``started_at`` (seconds since 1970) is erased. Of such a call
        nothing may be written that tells who it was or what was said."""
        until = self.until(number)
        return until is not None and started_at <= until


@dataclass(frozen=True, slots=True)
class Remains:
    """A place that can still hold what was erased elsewhere."""

    place: str
    until: datetime | None
    """After that it does not; None: nobody here knows."""
    then: str
    """What ends it, or who."""

    def as_json(self) -> dict[str, Any]:
        until = None if self.until is None else self.until.isoformat()
        return {"place": self.place, "until": until, "then": self.then}


@dataclass(slots=True)
class Receipt:
    """What an erasure did: counts by place, ids of calls, and the digest; nobody's number."""

    id: UUID
    digest: bytes
    key: str
    requested_at: str
    node: str
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    """Id, start and node of each call of the caller, so that what was away can be erased later."""
    places: dict[str, dict[str, int]] = field(default_factory=dict)
    not_reached: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    """What the person who asked should know."""
    may_remain: list[Remains] = field(default_factory=list)
    """Where the data can still be, though this machine has erased all that it reaches."""
    kept_on_hold: int = 0
    """Rows of others' calls on legal hold in which his number stands: they were left as they are."""
    kept_beside: int = 0
    """Lines of files and entries of Redis that were left for the same reason."""
    done_at: str = ""

    def count(self, place: str, counts: Mapping[str, int]) -> None:
        """Add counts of a place."""
        before = self.places.setdefault(place, {})
        for name, value in counts.items():
            before[name] = before.get(name, 0) + value

    @property
    def complete(self) -> bool:
        return not self.not_reached

    @property
    def kept(self) -> str:
        """What was left because of a hold, counted; empty: nothing."""
        count = self.kept_on_hold + self.kept_beside
        return f"{count} rows and lines of others' calls on legal hold" if count else ""

    def _kept(self) -> list[str]:
        if not self.kept:
            return []
        left = f"{self.kept} have the number in them and were left as they are"
        return [f"{left}: run the job again when those holds are released"]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "digest": self.digest.hex(),
            "key": self.key,
            "requested_at": self.requested_at,
            "done_at": self.done_at,
            "node": self.node,
            "complete": self.complete,
            "places": self.places,
            "not_reached": self.not_reached,
            "noted": [*self.noted, *self._kept()],
            "may_remain": [each.as_json() for each in self.may_remain],
            "calls": [list(call) for call in self.calls],
        }
