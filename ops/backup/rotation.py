"""After the owner's key was replaced: which keys the storage still needs, and closing anew what stays for ever."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ops.backup.catalogue import BACKUPS, DUMPS
from ops.backup.errors import Damaged, KeyMismatch, ObjectMissing
from ops.backup.sealing import HEADER_BYTES, made_by
from ops.backup.site import Site, wal_prefix
from ops.backup.streams import gathered, of_bytes
from ops.backup.wal import history_timeline

AT_ONCE: Final = 8
ERASURES: Final = "erasures/"
STATUS: Final = "status/"
LIVES_SECONDS: Final = 600.0
"""Since a carrier of the log told how it is: it does so at least every four minutes."""
_WAL: Final = "wal/"
_SEALED: Final = ("pieces of log", "lists of erasures")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is closed with which key, by the ids that the objects record; no key is needed to see it."""

    keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By id of the key: how many of what, such as ``{"backups": 3, "pieces of log": 120}``."""
    carriers: frozenset[str] = frozenset()
    """Ids of the keys with which the log is carried now."""


async def survey(site: Site) -> Survey:
    """Look at every object that a restore may need. Raises RepositoryError."""
    found: dict[str, Counter[str]] = {}
    carriers: set[str] = set()
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, what: str) -> None:
        async with limit:
            try:
                if what in _SEALED:
                    identity = await sealed_with(site, name)
                else:
                    record = await gathered(site.repository.get(name))
                    identity = _key_of(record)
                    if name.startswith(STATUS) and identity is not None and _lives(record, site.wall()):
                        carriers.add(identity)
            except ObjectMissing:
                return  # it went meanwhile
            if identity is not None:
                found.setdefault(identity, Counter())[what] += 1

    async with asyncio.TaskGroup() as group:
        for kept in await site.repository.listing(""):
            if what := _what(kept.name):
                group.create_task(one(kept.name, what))
    return Survey({identity: dict(counted) for identity, counted in found.items()}, frozenset(carriers))


def _what(name: str) -> str:
    """What an object counts as; empty for one that another stands for."""
    if name.startswith(_WAL):
        return "pieces of log"
    if name.startswith(ERASURES):
        return "lists of erasures"
    if name.startswith(STATUS):
        return "notes of the log"
    if name.startswith(BACKUPS):
        notes = dict.fromkeys(("verified", "restored", "damaged"), "notes")
        return {"record": "backups", **notes}.get(name.rpartition("/")[2], "")
    return "dumps" if name.startswith(DUMPS) and name.endswith("/record") else ""


def _key_of(content: bytes) -> str | None:
    """None: it is damaged, which is others' to tell."""
    try:
        return str(json.loads(content)["key"])
    except (ValueError, KeyError, TypeError):
        return None


def _lives(status: bytes, now: float) -> bool:
    try:
        return now - float(json.loads(status)["body"]["at"]) < LIVES_SECONDS
    except (ValueError, KeyError, TypeError):
        return False


async def sealed_with(site: Site, name: str) -> str | None:
    """The id of the key of a sealed object; None where it is damaged. Raises ObjectMissing, RepositoryError."""
    return made_by(await site.repository.beginning(name, HEADER_BYTES))


async def renew(site: Site, system_id: str) -> list[str]:
    """Close anew, with the present key, what of a cluster no age removes: histories of timelines and the lists of
    erasures. So an earlier key is done with once the backups and the log of its time are gone.

    What the operator should know: of those whose key is not here, or that are damaged. Raises RepositoryError. Where
    the present key is none, nothing is done: a list has the key of its digests in it, which must not lie there open.
    """
    if not site.key.encrypts:
        return []
    histories = wal_prefix(system_id)
    names = [
        kept.name
        for kept in await site.repository.listing(histories)
        if history_timeline(kept.name.removeprefix(histories)) is not None
    ]
    names += [kept.name for kept in await site.repository.listing(f"{ERASURES}{system_id}/")]
    told = []
    for name in names:
        if await sealed_with(site, name) != site.key.id:
            try:
                content = await gathered(site.fetch(name))
            except (Damaged, KeyMismatch) as error:
                told.append(str(error))
            else:
                await site.keep(name, of_bytes(content))
    return told
