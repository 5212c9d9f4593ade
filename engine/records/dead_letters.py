"""Events that no row can be made of: set aside in a file, for whoever finds out why."""

from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path
from typing import Final

from engine.records.reading import Entry

MOST_BYTES: Final = 64 << 20
"""Of the file; what comes after is counted and not kept."""
MOST_KNOWN: Final = 100_000
FILE: Final = "dead-letters.jsonl"
"""In the folder of the outboxes of a machine, whose own it is."""

logger = logging.getLogger(__name__)


def kept_bytes(outboxes: Path) -> int:
    """Size of the file of this machine; 0: nothing is set aside."""
    try:
        return (outboxes / FILE).stat().st_size
    except OSError:
        return 0


class DeadLetters:
    """One file of JSON lines, readable by its owner alone: events hold what callers said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, int]] = set()

    def add(self, outbox: str, entry: Entry, why: str) -> bool:
        """Set ``entry`` aside; False where it was already. ``why`` holds nobody's words.

        Raises OSError where the disk refuses.
        """
        key = (outbox, entry.position)
        if key in self._known:
            return False
        line = json.dumps(
            {"outbox": outbox, "position": entry.position, "why": why, "record": entry.data}, ensure_ascii=False
        )
        data = (line + "\n").encode("utf-8", "replace")
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size < MOST_BYTES and os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
        logger.error("an event was set aside (%s): see %s", why, self._path.name)
        if len(self._known) < MOST_KNOWN:
            self._known.add(key)
        return True
