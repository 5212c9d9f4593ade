"""What the doctor says of the backups' keys: which ones the storage needs, and whether they are here."""
# ruff: noqa: PLC0415 - a check imports what it looks at: the others go on where that is broken

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from engine.config import Settings
from engine.errors import ConfigurationError, TrunklineError
from ops.doctor import Finding

if TYPE_CHECKING:
    from ops.backup.keys import Keyring
    from ops.backup.rotation import Survey

SECONDS: Final = 60.0
"""Longest look at the storage."""
CHECK: Final = "backup keys"


def check_backups(settings: Settings) -> Iterator[Finding]:
    """One finding a key. Keys are told by their ids alone."""
    if not settings.backup.to or settings.backup.tool != "own":
        yield Finding(CHECK, "ok", "none of ours are needed: no backups are made, or another tool makes them")
        return
    from ops.backup.rotation import survey
    from ops.backup.site import Site
    from ops.backup.waits import within

    try:
        site = Site.of(settings, time.time)
    except ConfigurationError as error:
        yield Finding(CHECK, "broken", str(error), "backups fail until then")
        return
    try:
        found = asyncio.run(within(SECONDS, survey(site)))
    except TimeoutError:
        yield Finding(CHECK, "warning", f"{site.repository.place} was not looked through within {SECONDS:.0f} s")
        return
    except (TrunklineError, ExceptionGroup) as error:
        first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        told = str(first) if isinstance(first, TrunklineError) else type(first).__name__
        yield Finding(CHECK, "warning", told, "see that the storage can be reached: TRUNKLINE_BACKUP_TO")
        return
    yield from judged(site.keys, found)


def judged(keys: Keyring, found: Survey) -> Iterator[Finding]:
    """What to say of the keys here and of those that the storage needs."""
    from ops.backup.sealing import OPEN

    names = {keys.current.id: f"the present key {keys.current.id}"}
    names |= {key.id: f"the earlier key {key.id}" for key in keys.old}
    if OPEN.id in names:
        names[OPEN.id] = "no key"
    for identity, name in names.items():
        needed = found.keys.get(identity)
        if needed:
            yield Finding(CHECK, "ok", f"{name}: {_counted(needed)}")
        elif identity == keys.current.id:
            yield Finding(CHECK, "ok", f"{name}: nothing is closed with it yet")
        else:
            yield Finding(CHECK, "ok", f"{name}: nothing needs it any more, it may go from TRUNKLINE_BACKUP_OLD_KEYS")
    for identity, needed in sorted(found.keys.items()):
        if identity in names:
            continue
        which = "no key, which is not among those given" if identity == OPEN.id else f"the key {identity}, not here"
        mend = (
            "write the line `none` into the file of TRUNKLINE_BACKUP_OLD_KEYS"
            if identity == OPEN.id
            else f"bring the key with the id {identity} to TRUNKLINE_BACKUP_OLD_KEYS: without it these cannot be read"
        )
        yield Finding(CHECK, "broken", f"{which}: {_counted(needed)}", mend)
    for identity in sorted(found.carriers - {keys.current.id}):
        detail = f"the log was last carried with another key ({identity}) than the present one"
        mend = "end the run of the job `wal` that goes on: the next begins within three minutes, with the present key"
        yield Finding(CHECK, "warning", detail, mend)


def _counted(needed: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(needed.items()))
