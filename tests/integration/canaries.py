"""Personal data of a person who does not exist, and the search for it in whatever was written."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_plus

DIGIT_WORDS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CALLER: Final = "+380505557391"
"""The number the PBX gives; the rest is said."""
SAID: Final = (
    "My name is Marlowe Quistgaard and my phone is zero five zero four four six eight two one five",
    "I need four of product T-1042 and my number is 050 446 8215",
    "my card is 4929 4212 3460 0821 and my email is marlowe dot quistgaard at vexmail dot com",
    "I live at 48 Juniperhill Avenue flat 93 and this is Marlowe Quistgaard calling",
)
STORE_MESSAGE: Final = "customer_name='Marlowe Quistgaard' of 48 Juniperhill Avenue, +380504468215, is blocked"
"""What a careless store writes into its errors."""


@dataclass(frozen=True)
class Canary:
    """What must be found nowhere."""

    name: str
    digits: str = ""
    """Looked for however they are grouped, and spelled out."""
    word: str = ""
    """Looked for in any case."""

    def is_in(self, text: str) -> bool:
        """Whether it stands in ``text`` in any of its forms."""
        if self.word:
            return self.word in text.lower() or self.word in re.sub(r"[^a-z]", "", _spelled_letters(text.lower()))
        return self.digits in _digits(text)


CANARIES: Final = (
    Canary("the caller's number", digits="505557391"),
    Canary("the number he says", digits="504468215"),
    Canary("his card", digits="4929421234600821"),
    Canary("his first name", word="marlowe"),
    Canary("his last name", word="quistgaard"),
    Canary("his e-mail", word="vexmail"),
    Canary("his street", word="juniperhill"),
)


def _digits(text: str) -> str:
    """``text`` with digits written out of words and all that may stand between digits left out."""
    for value, word in enumerate(DIGIT_WORDS):
        text = re.sub(rf"\b{word}\b", str(value), text, flags=re.IGNORECASE)
    return re.sub(r"(?<=\d)[\s().,+-]+(?=\d)", "", text)


def _spelled_letters(text: str) -> str:
    """Only rows of single letters: "q u i s t", "q-u-i-s-t"."""
    return " ".join(re.findall(r"\b[a-z](?:[\s.-][a-z]\b)+", text))


def found_in(text: str) -> list[str]:
    """The names of the canaries in ``text``, as it is or percent-encoded."""
    forms = [text, unquote_plus(text)] if "%" in text else [text]
    return [canary.name for canary in CANARIES if any(canary.is_in(form) for form in forms)]


def found_under(folders: Iterable[Path], *, but: Iterable[Path] = ()) -> list[str]:
    """``file: canary`` for each canary in each regular file under ``folders``, the files' names included.

    ``but``: folders where personal data is kept on purpose; their files' contents are not searched.
    """
    found = []
    kept = tuple(but)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            found += [f"{path}: its name: {name}" for name in found_in(path.name)]
            try:
                if not stat.S_ISREG(path.lstat().st_mode) or any(place in path.parents for place in kept):
                    continue
                content = path.read_bytes().replace(b"\0", b"")  # of files that were made in full size beforehand
            except FileNotFoundError:  # gone meanwhile
                continue
            found += [f"{path}: {name}" for name in found_in(content.decode("utf-8", errors="replace"))]
    return found
