"""How long a silence ends the turn, given what was said so far."""

from __future__ import annotations

import re
from typing import Final

SHORTER: Final = 0.8
LONGER: Final = 2.2
DICTATED: Final = 1.5
"""After a number, which people say in groups with pauses between them."""

_COMPLETE = re.compile(
    r"^(yes|no|yeah|nope|correct|right|okay|ok|thanks|thank you|goodbye|bye|bye bye|hello|hi)"
    r"( please| thank you| thanks)?[.!]?$"
)
_LEADS_ON = re.compile(
    r"(\b(and|or|but|so|because|the|a|an|my|is|it's|its|for|to|of|with|from|number|size|like|um|uh|erm|er)|-|…|\.\.\.)$"
)


_NUMBER = re.compile(
    r"(\d|\b(zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|"
    r"sixty|seventy|eighty|ninety|double|triple|hundred))$"
)


def wait_factor(text: str) -> float:
    """Factor for the usual silence: shorter after a whole short answer, longer where more must follow."""
    said = text.strip().lower()
    if _COMPLETE.match(said):
        return SHORTER
    if _LEADS_ON.search(said.rstrip(".")) and not said.endswith(("?", "!")):
        return LONGER
    if _NUMBER.search(said.rstrip(".,")):
        return DICTATED
    return 1.0
