"""Which backups count. A check that fails marks what it found damaged, and from then on neither that backup nor what
lies over it counts as verified, until a later check passes: the storage may only have been flaky.

The mark is the object ``backups/ID/damaged`` beside the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from ops.backup.catalogue import Backup, note
from ops.backup.errors import BackupError, RepositoryError, WalMissing
from ops.backup.site import Site

_log: Final = logging.getLogger(__name__)


def fault_of(backup: Backup, every: Iterable[Backup]) -> str:
    """Why it does not count; empty: no check found a fault in it or in what it lies over."""
    by_id = {each.id: each for each in every}
    link = backup
    while not link.damage:
        if not link.parent:
            return ""
        if link.parent not in by_id:
            return f"it lies over {link.parent}, which is not kept or cannot be read"
        link = by_id[link.parent]
    return link.damage if link is backup else f"it lies over {link.id}: {link.damage}"


def unmarked(backups: Sequence[Backup]) -> list[Backup]:
    """Those that count, and all that they lie over does; in the same order."""
    return [each for each in backups if not fault_of(each, backups)]


def sound(backups: Sequence[Backup]) -> list[Backup]:
    """Of those, the verified ones."""
    return [each for each in unmarked(backups) if each.verified_at is not None]


async def withdraw(site: Site, links: Sequence[Backup], error: BackupError) -> str:
    """Mark what a failed check of ``links`` (a chain, the full one first) found damaged; what was done, for people.

    Where it is not known which of them is, it is the last one and each that no check of its own ever restored.
    """
    known = links[-1].id if isinstance(error, WalMissing) else error.backup  # the log is no fault of what it lies over
    suspects = [each for each in links if each.id == known] or [
        each for each in links if each is links[-1] or each.restored_at is None
    ]
    names = ", ".join(each.id for each in suspects)
    try:
        for each in suspects:
            await note(site.repository, each, "damaged", site.wall(), site.key, why=str(error))
    except RepositoryError as failed:
        _log.exception("backup %s is damaged and could not be marked so", names)
        return f"{names} could not be marked as damaged ({failed}): it still counts, take a full backup now"
    return f"{names} and what lies over it no longer counts as verified, and the next backup is a full one"


async def acquit(site: Site, links: Sequence[Backup]) -> None:
    """A check of this chain passed: the marks of all its elements go. Raises RepositoryError."""
    for each in links:
        if each.damage:
            await site.repository.delete(each.object("damaged"))
            _log.warning("backup %s was marked as damaged, and a check has restored it: it counts again", each.id)
