"""The list of erasures beside the backups: who was erased is erased again wherever a backup is restored.

It holds keyed digests and, where the backups are encrypted, the key of the digests: ``backups/ID/erasures`` as it was
then, and ``erasures/CLUSTER/KEY`` as it is now, since an erasure after the last backup must not be forgotten either. In
backups that are not encrypted the key is left out: with it everybody could try numbers on the digests.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from engine.config import Settings
from engine.errors import ConfigurationError
from engine.records.erasing import Erased, Tombstone, key_id
from engine.records.erasure_rows import reapply_erased
from engine.records.tombstones import KEY, TOMBSTONES, buried, bury, key_of, leave_key
from engine.sql import FAULTS
from ops.backup.catalogue import BACKUPS, Backup, Catalogue, Part, read_catalogue
from ops.backup.database import queries
from ops.backup.errors import BackupError, Damaged, KeyMismatch, ObjectMissing
from ops.backup.site import Site
from ops.backup.streams import gathered, of_bytes

_log: Final = logging.getLogger(__name__)

PART: Final = "erasures"
NO_KEY: Final = "unknown"
"""Stands for the id of a key that this machine has not."""

_NOT_COVERED: Final = (
    "who was erased after the newest list that opens may be in the restored database again: erase them once more"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of erasures."""

    key: bytes | None
    """Of its digests; None: it is elsewhere."""
    key_id: str
    tombstones: tuple[Tombstone, ...]

    def as_bytes(self, *, with_key: bool) -> bytes:
        """As it is kept."""
        key = self.key.hex() if self.key is not None and with_key else ""
        lines = [one.line() for one in sorted(self.tombstones, key=lambda one: one.requested_at)]
        return json.dumps({"key": key, "key_id": self.key_id, "erasures": lines}).encode()

    @classmethod
    def of(cls, content: bytes, name: str) -> Listed:
        """Raises Damaged."""
        try:
            body = json.loads(content)
            key = bytes.fromhex(body["key"]) or None
            return cls(key, str(body["key_id"]), tuple(Tombstone.of(line) for line in body["erasures"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{name} is damaged: it is no list of erasures") from error


async def known_here(settings: Settings, connection: Any) -> Listed:
    """What this machine's files and the database know. Raises ConfigurationError, BackupError."""
    key, found = await asyncio.to_thread(_files, settings)
    try:
        rows = await connection.fetch(queries("erasures.sql")["erasures"])
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        rows = []  # of a time before there were erasures, or another database
    found += [Tombstone(UUID(str(row["id"])), bytes(row["caller_digest"]), float(row["at"])) for row in rows]
    return Listed(key, key_id(key) if key is not None else NO_KEY, _without_doubles(found))


def _files(settings: Settings) -> tuple[bytes | None, list[Tombstone]]:
    file = _key_file(settings)
    try:
        return key_of(file) if file.exists() else None, buried(settings.paths.state_dir / TOMBSTONES)
    except OSError as error:
        raise BackupError(f"the list of erasures cannot be read ({error.strerror})") from error


def _key_file(settings: Settings) -> Path:
    return settings.reports.erasure_key_file or settings.paths.state_dir / KEY


def _without_doubles(found: Iterable[Tombstone]) -> tuple[Tombstone, ...]:
    return tuple({(one.id, one.digest): one for one in found}.values())


async def keep_list(site: Site, listed: Listed, identity: str) -> tuple[Part, list[str]]:
    """Put it into the backup ``identity``; and what the operator should know of it."""
    content = listed.as_bytes(with_key=site.key.encrypts)
    part = await site.keep(f"{BACKUPS}{identity}/{PART}", of_bytes(content))
    if not listed.tombstones:
        return part, []
    if listed.key is None:
        return part, ["callers were erased, and the key of the erasures is not on this machine: keep it elsewhere"]
    if not site.key.encrypts:
        why = "the backup is not encrypted, so the key of the erasures is not in it"
        return part, [f"{why}: keep a copy of {KEY} elsewhere, or erased callers come back with a restore"]
    return part, []


async def keep_current(site: Site, system_id: str, listed: Listed) -> None:
    """Keep the list as it is now, beside what other machines have put there. Where that is damaged it is laid aside, as
    ``damaged/…``, and made anew from what is known here and from the lists of the backups.
    """
    name = f"erasures/{system_id}/{listed.key_id}"
    try:
        before = Listed.of(await gathered(site.fetch(name)), name)
    except ObjectMissing:
        before = None
    except Damaged as error:
        _log.error("%s: it is laid aside as damaged/%s and made anew", error, name)
        await site.repository.put(f"damaged/{name}", site.repository.get(name))
        listed = replace(listed, tombstones=(*listed.tombstones, *await _of_backups(site, system_id, listed.key_id)))
        before = None
    both = _without_doubles([*(before.tombstones if before else ()), *listed.tombstones])
    if both and (before is None or len(both) > len(before.tombstones)):
        content = Listed(listed.key, listed.key_id, both).as_bytes(with_key=site.key.encrypts)
        await site.keep(name, of_bytes(content))


async def _of_backups(site: Site, system_id: str, key: str) -> tuple[Tombstone, ...]:
    """What the lists of this cluster's backups say that are made with that key of digests and open."""
    catalogue = await read_catalogue(site.repository, site.keys)
    opened, _ = await _opened(site, [each for each in catalogue.backups.values() if each.system_id == system_id])
    return tuple(one for listed in opened.values() if listed.key_id == key for one in listed.tombstones)


class Watch:
    """Keeps the current list in the storage whenever somebody was erased, for a process that goes on running."""

    def __init__(self, site: Site, system_id: str) -> None:
        self._site = site
        self._system_id = system_id
        self._seen: tuple[object, ...] | None = None

    async def look(self, connection: Any) -> None:
        """Cheap where nothing changed. Raises ConfigurationError, BackupError."""
        file = self._site.settings.paths.state_dir / TOMBSTONES
        try:
            facts = await asyncio.to_thread(file.stat)
            here: tuple[object, ...] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        except OSError:
            here = ()
        try:
            there = await connection.fetchval(queries("erasures.sql")["erasures_seen"])
        except asyncpg.UndefinedTableError:
            there = 0
        if self._seen == (here, there):
            return
        if here or there:
            await keep_current(self._site, self._system_id, await known_here(self._site.settings, connection))
        self._seen = (here, there)


async def kept_lists(site: Site, backup: Backup, catalogue: Catalogue) -> tuple[list[Listed], list[str]]:
    """Lists that the storage has for a restore of ``backup``: its own, those of later ones, the current ones; and what
    the operator should know of those that do not open. Each holds what those before it did: a later one stands in.

    One whose key is not here is such a one too. Raises RepositoryError.
    """
    ours = [each for each in catalogue.backups.values() if each.system_id == backup.system_id]
    opened, faults = await _opened(site, [each for each in ours if each.started_at >= backup.started_at])
    current: list[Listed] = []
    broken: list[str] = []
    for kept in await site.repository.listing(f"erasures/{backup.system_id}/"):
        try:
            current.append(Listed.of(await gathered(site.fetch(kept.name)), kept.name))
        except (Damaged, KeyMismatch, ObjectMissing) as error:
            broken.append(str(error))
    newest = "" if current else max(opened, default="")  # ids sort in the order in which they began
    told = []
    for identity, fault in faults.items():
        covered = bool(current) or identity < newest
        told.append(f"{fault}; a later list stands in for it" if covered else f"{fault}; {_NOT_COVERED}")
    return [*opened.values(), *current], [*told, *(f"{fault}; {_NOT_COVERED}" for fault in broken)]


async def _opened(site: Site, backups: Sequence[Backup]) -> tuple[dict[str, Listed], dict[str, str]]:
    """By the backup's id: the lists that open, and what is wrong with those that do not."""
    opened, faults = {}, {}
    for each in backups:
        if PART in each.parts:
            name = each.object(PART)
            try:
                opened[each.id] = Listed.of(await gathered(site.fetch(name, each.parts[PART])), name)
            except (Damaged, KeyMismatch, ObjectMissing) as error:
                faults[each.id] = str(error)
    return opened, faults


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of who was erased, for one restore."""

    keys: tuple[bytes, ...]
    tombstones: tuple[Tombstone, ...]
    without: bool = False
    """Nobody is to be erased again, as the operator says."""


def known_for(settings: Settings, kept: Sequence[Listed], *, without: bool, faults: Sequence[str] = ()) -> Known:
    """From this machine's files and the storage's lists. Raises ConfigurationError where there is neither, or where
    the key is missing; unless ``without``. ``faults``: of lists that do not open.
    """
    here = settings.paths.state_dir / TOMBSTONES
    there = here.exists()
    if without:
        return Known((), (), without=True)
    key, tombstones = _files(settings)
    if not kept and not there:
        raise ConfigurationError(
            f"nobody knows who was erased at this site: {_why_none(faults)} and there is no {here}. "
            f"Bring {TOMBSTONES} and {KEY} of the site; or, where nobody was ever erased, say --without-erasures"
        )
    keys = tuple(dict.fromkeys(each for each in (key, *(one.key for one in kept)) if each is not None))
    ids = {key_id(each) for each in keys}
    missing = sorted({one.key_id for one in kept if one.tombstones and one.key_id not in {*ids, NO_KEY}})
    every = _without_doubles([*tombstones, *(one for each in kept for one in each.tombstones)])
    if missing or (every and not keys):
        which = f" {', '.join(missing)}" if missing else ""
        raise ConfigurationError(
            f"callers were erased at this site, and the key{which} by which they are recognised is not here: bring it "
            f"to {_key_file(settings)}; or say --without-erasures, and erased callers come back"
        )
    return Known(keys, every)


def _why_none(faults: Sequence[str]) -> str:
    if not faults:
        return "the backup holds no list of erasures"
    return f"no list of erasures opens ({'; '.join(fault.partition(';')[0] for fault in faults)})"


async def erase_again(url: str, known: Known) -> str:
    """Erase in the restored database who was erased before, and tell of it. Raises BackupError."""
    if known.without:
        return "nobody was erased again, as you said (--without-erasures)"
    if not known.tombstones:
        return "nobody was ever erased at this site"
    try:
        done = await reapply_erased(url, [Erased(key, known.tombstones) for key in known.keys])
    except FAULTS as error:
        raise BackupError(
            f"who was erased could not be erased again ({type(error).__name__}): the site must not go up like that"
        ) from error
    told = f"{done.callers} erased callers were in it, {sum(done.rows.values())} rows of them are erased again"
    return told + (f"; {done.kept_on_hold} rows of others' calls on legal hold stay" if done.kept_on_hold else "")


def bring_here(settings: Settings, known: Known) -> str:
    """Let this machine know what the backups knew, so that what is recorded late is recognised; empty: it did."""
    if not known.tombstones:
        return ""
    file, state_dir = _key_file(settings), settings.paths.state_dir
    try:
        if not file.exists() and len(known.keys) == 1:
            leave_key(file, known.keys[0])
        key, before = _files(settings)
        if known.keys != (key,):
            return f"the list of erasures was made with another key than {file}: this machine does not know them"
        seen = {(one.id, one.digest) for one in before}
        new = [one for one in known.tombstones if (one.id, one.digest) not in seen]
        for one in new:
            bury(state_dir / TOMBSTONES, one)
    except (OSError, BackupError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return f"the list of erasures could not be written to {state_dir} ({why}): bring it before calls are taken"
    return f"{len(new)} erasures were brought to {state_dir}" if new else ""
