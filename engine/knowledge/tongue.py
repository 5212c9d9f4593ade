"""Whether a text is English: by its script and its small words."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_LAST_LATIN: Final = "\u024f"
# Words that are common in several languages ("in", "was", "die", "to", "do", "a") are in neither.
_ENGLISH: Final = frozenset(
    re.findall(
        r"\S+",
        """
    the and of is are for with you your my we our it its this that these what when where which who why how can could
    would will should have has does did if i'm not from they them there or by be at been any get need want
    """,
    )
)
_OTHER: Final = frozenset(
    re.findall(
        r"\S+",
        """
    der das und ist sind mit ich sie wir mein meine ihr wie wann wo wer kann können haben hat nicht eine einen ein für
    von zu auf bei den dem ja
    le la les des est vous je nous mon avec pour que qui une du et où quand comment
    el los las es usted mi para con una por qué cuándo dónde cómo
    il di che sono per dove quando posso
    czy jak gdzie kiedy jest się nie mogę państwo
    het een van ik wij hoe wanneer niet voor
    """,
    )
)


def is_english(text: str) -> bool:
    """A guess; a text without any small word counts as English where all its letters are plain."""
    words = _WORD.findall(text.lower())
    if not words:
        return False
    if sum(max(word) > _LAST_LATIN for word in words) * 4 > len(words):
        return False
    english, other = (sum(word in small for word in words) for small in (_ENGLISH, _OTHER))
    return english > other or (english == other == 0 and text.isascii())
