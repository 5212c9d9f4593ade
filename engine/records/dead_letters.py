"""Events that no row can be made of: set aside in a file, for whoever finds out why."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Final

from engine.records.reading import Entry

MOST_BYTES: Final = 64 << 20
"""Of the file; what comes after is counted and not kept."""

logger = logging.getLogger(__name__)


class DeadLetters:
    """One file of JSON lines, readable by its owner alone: events hold what callers said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[tuple[str, int]] = set()

    def add(self, outbox: str, entry: Entry, why: str) -> bool:
        """Set ``entry`` aside; False where it was already. ``why`` holds nobody's words. Never raises."""
        key = (outbox, entry.position)
        if key in self._known:
            return False
        if len(self._known) < 100_000:
            self._known.add(key)
        logger.error("an event was set aside (%s): see %s", why, self._path.name)
        line = json.dumps(
            {"outbox": outbox, "position": entry.position, "why": why, "record": entry.data}, ensure_ascii=False
        )
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < MOST_BYTES:
                    os.write(descriptor, (line + "\n").encode("utf-8", "replace"))
            finally:
                os.close(descriptor)
        except OSError as error:
            logger.error("an event could not be set aside: %s", error.strerror)
        return True
