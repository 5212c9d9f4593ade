"""What a backup says of itself, and the list of them: objects ``backups/ID/…``, with ``record`` written last.

A backup without its record is none. The record is readable without the key (nobody's data is in it) and closed by a
digest that only the key makes. ``verified``, ``restored`` and ``damaged`` are added beside it by what found them so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from ops.backup.contents import Contents, Table
from ops.backup.errors import BackupError, Damaged, KeyMismatch, ObjectMissing
from ops.backup.repository import Repository
from ops.backup.sealing import Key, Keys
from ops.backup.streams import gathered, of_bytes

_log: Final = logging.getLogger(__name__)

BACKUPS: Final = "backups/"
DUMPS: Final = "dumps/"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a backup, as it was sent."""

    bytes: int
    sha256: str
    plain_bytes: int
    """Before compression and encryption."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. Positions are numbers of bytes of the log; times seconds since 1970-01-01 UTC."""

    id: str
    """When it began, and of which cluster, such as ``20261122T021500Z-7f3a``."""
    kind: Literal["full", "incremental"]
    parent: str
    """The backup that an incremental one is to be laid over; empty: it is full."""
    started_at: float
    finished_at: float
    server_version: str
    tool_version: str
    system_id: str
    database: str
    superuser: str
    segment_bytes: int
    timeline: int
    start_lsn: int
    stop_lsn: int
    mark_lsn: int
    mark_at: float
    contents: Contents
    key_id: str
    encrypted: bool
    parts: Mapping[str, Part] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    verified_at: float | None = None
    restored_at: float | None = None
    damage: str = ""
    """What a check found in it; a later one that passes takes it back. Empty: nothing."""

    @property
    def bytes(self) -> int:
        """As it is kept."""
        return sum(part.bytes for part in self.parts.values())

    def object(self, part: str) -> str:
        """Name of one of its objects."""
        return f"{BACKUPS}{self.id}/{part}"


def to_json(body: Mapping[str, Any], key: Key, purpose: str) -> bytes:
    """An object that is readable, and closed."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    envelope = {"format": FORMAT, "key": key.id, "seal": key.digest(purpose, text.encode()), "body": body}
    return json.dumps(envelope, sort_keys=True, indent=1).encode()


def from_json(content: bytes, keys: Keys | None, purpose: str) -> dict[str, Any]:
    """The body. Without keys its seal is not looked at: for lists. Raises Damaged, KeyMismatch, BackupError."""
    try:
        envelope = json.loads(content)
        body, seal, identity = envelope["body"], envelope["seal"], str(envelope["key"])
        number = int(envelope["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{purpose} is damaged: it cannot be read") from error
    if number > FORMAT:
        raise BackupError(f"{purpose} was written by a newer Trunkline (format {number}): use that one")
    if keys is not None:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        if keys.made_with(identity, purpose).digest(purpose, text.encode()) != seal:
            raise Damaged(f"{purpose} is damaged: its seal does not fit its content")
    assert isinstance(body, dict)
    return body


async def write_record(repository: Repository, backup: Backup, key: Key) -> None:
    """With it the backup is one."""
    body = asdict(backup)
    for beside in ("verified_at", "restored_at", "damage"):
        del body[beside]
    name = backup.object("record")
    await repository.put(name, of_bytes(to_json(body, key, name)))


async def note(
    repository: Repository,
    backup: Backup,
    what: Literal["verified", "restored", "damaged"],
    at: float,
    key: Key,
    *,
    why: str = "",
) -> None:
    """Put down that it was found so. Raises RepositoryError."""
    name = backup.object(what)
    await repository.put(name, of_bytes(to_json({"at": at, "why": why} if why else {"at": at}, key, name)))


async def read_backup(repository: Repository, identity: str, keys: Keys | None) -> Backup:
    """Raises BackupError where there is none of that name, Damaged, KeyMismatch."""
    name = f"{BACKUPS}{identity}/record"
    try:
        content = await gathered(repository.get(name))
    except ObjectMissing as error:
        raise BackupError(
            f"there is no backup {identity} in {repository.place}: see `trunkline ops backups`"
        ) from error
    body = from_json(content, keys, name)
    try:
        contents = body.pop("contents")
        tables = {table: Table(**facts) for table, facts in contents["tables"].items()}
        made = Contents(contents["schema"], tables, contents.get("sequences", {}))
        parts = {part: Part(**facts) for part, facts in body.pop("parts").items()}
        backup = Backup(**{**body, "notes": tuple(body["notes"])}, contents=made, parts=parts)
    except (KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{name} is damaged: it is no record of a backup") from error
    return replace(
        backup,
        verified_at=(await _noted(repository, backup.object("verified"), keys))[0],
        restored_at=(await _noted(repository, backup.object("restored"), keys))[0],
        damage=(await _noted(repository, backup.object("damaged"), keys))[1],
    )


async def _noted(repository: Repository, name: str, keys: Keys | None) -> tuple[float | None, str]:
    """When, and why. A note that is damaged, or whose key is not here, hides no backup: it says nothing, and still that
    of damage says it.
    """
    try:
        body = from_json(await gathered(repository.get(name)), keys, name)
        return float(body["at"]), str(body.get("why", ""))
    except ObjectMissing:
        return None, ""
    except KeyMismatch as error:  # of a check after the key was replaced, while the backup itself opens
        _log.warning("%s; what it says counts as unknown", error)
        return None, f"what a check noted of it cannot be read: {error}"
    except (Damaged, ValueError, KeyError, TypeError):
        _log.warning("%s cannot be read: a `restore-check` of that backup that passes mends it", name)
        return None, "what a check noted of it cannot be read"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is kept."""

    backups: Mapping[str, Backup]
    """By id, the oldest first."""
    faults: tuple[str, ...] = ()
    """Of those that cannot be read, one line each."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """By id, those whose key is not here, and what to say of each."""

    @property
    def newest(self) -> Backup | None:
        """The one that began last."""
        return list(self.backups.values())[-1] if self.backups else None


async def read_catalogue(repository: Repository, keys: Keys | None) -> Catalogue:
    """All backups. One that is damaged, or whose key is not here, hides no other. Raises KeyMismatch where there is
    none to which a key fits.
    """
    names = [kept.name for kept in await repository.listing(BACKUPS)]
    found, faults, closed = {}, [], {}
    for name in sorted(names):
        if name.count("/") != 2 or not name.endswith("/record"):
            continue
        identity = name.split("/")[1]
        try:
            found[identity] = await read_backup(repository, identity, keys)
        except Damaged as error:
            faults.append(str(error))
        except KeyMismatch as error:
            closed[identity] = str(error)
    if closed and not found:
        raise KeyMismatch(closed[min(closed)])
    return Catalogue(dict(found), tuple(faults), closed)


def chain(backup: Backup, every: Mapping[str, Backup]) -> list[Backup]:
    """The backups that it is made of, the full one first. Raises BackupError where one is not kept."""
    found = [backup]
    while found[0].parent:
        parent = every.get(found[0].parent)
        if parent is None:
            raise BackupError(f"backup {found[0].id} lies over backup {found[0].parent}, which is not kept")
        found.insert(0, parent)
    return found
