"""What is erased, wherever it lies."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from engine.errors import TrunklineError
from engine.records.erasing import LEAST_TO_SEARCH, canonical, mention


class PlaceUnreached(TrunklineError):
    """A place could not be reached, or not all of it; the message names the place and holds nobody's data."""

    retryable = True


@dataclass(slots=True)
class Wanted:
    """A caller by the ids of his calls and his number (canonical); and how much of him was found and left."""

    calls: AbstractSet[str]
    number: str
    on_hold: AbstractSet[str] = frozenset()
    """Calls on legal hold: what others' have of him stays."""
    spared: int = 0
    """What was asked for below and is his but for such a hold."""

    def in_text(self, text: str) -> bool:
        """Whether a call of his is named in ``text``, or his number stands in it in digits."""
        if any(call in text for call in self.calls):
            return True
        if len(self.number) < LEAST_TO_SEARCH or re.search(mention(self.number), text) is None:
            return False
        return not self._spared(any(call in text for call in self.on_hold))

    def in_line(self, call: str, number: str) -> bool:
        """Whether a line with the id of one ``call`` and one ``number``, in any form, is his."""
        if call in self.calls:
            return True
        return canonical(number) == self.number and not self._spared(call in self.on_hold)

    def _spared(self, held: bool) -> bool:
        self.spared += held
        return held
