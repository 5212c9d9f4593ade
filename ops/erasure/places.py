"""What is erased, wherever it lies."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from engine.errors import TrunklineError
from engine.records.erasing import LEAST_TO_SEARCH, mention


class PlaceUnreached(TrunklineError):
    """A place could not be reached, or not all of it; the message names the place and holds nobody's data."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A caller by the ids of his calls and his number (canonical)."""

    calls: AbstractSet[str]
    number: str
    on_hold: AbstractSet[str] = frozenset()
    """Calls of others on legal hold: what was said in them stays."""

    def in_text(self, text: str) -> bool:
        """Whether a call of his is named in ``text``, or his number stands in it in digits."""
        if any(call in text for call in self.calls):
            return True
        if len(self.number) < LEAST_TO_SEARCH or any(call in text for call in self.on_hold):
            return False
        return re.search(mention(self.number), text) is not None
