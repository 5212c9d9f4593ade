"""Tyre sizes as a fitter says them: "two oh five, fifty-five, R sixteen"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from engine.agent.own_speech import OwnSpeech, Rule
from engine.agent.speakable import cardinal
from engine.agent.speakable_slavic import voice

_SIZE: Final = re.compile(r"\b(\d{3})\s*/\s*(\d{2})\s*[-,]?\s*(?:Z?[RР])?\s*(\d{2})\b(?!\d)", re.IGNORECASE)
_RIM: Final = re.compile(r"\b(Z?R)(\d{2})\b")
_SLAVIC_RIM: Final = re.compile(r"\b(Z?[RР])(\d{2})\b", re.IGNORECASE)


def _plain(number: int) -> str:
    return cardinal(number).replace("-", " ")


def _width(digits: str) -> str:
    """205 → "two oh five", 225 → "two twenty five"."""
    hundreds, rest = int(digits[0]), int(digits[1:])
    if rest == 0:
        return f"{cardinal(hundreds)} hundred"
    return f"{cardinal(hundreds)} oh {cardinal(rest)}" if rest < 10 else f"{cardinal(hundreds)} {_plain(rest)}"


_ENGLISH: Final[Sequence[Rule]] = (
    (_SIZE, lambda m: f"{_width(m[1])}, {_plain(int(m[2]))}, R {_plain(int(m[3]))}"),
    (_RIM, lambda m: f"{m[1]} {_plain(int(m[2]))}"),
)


def _slavic(language: str, rim: str) -> Sequence[Rule]:
    said = voice(language)
    assert said is not None

    def number(digits: str) -> str:
        return said.cardinal(int(digits))

    return (
        (_SIZE, lambda m: f"{number(m[1])}, {number(m[2])}, {rim} {number(m[3])}"),
        (_SLAVIC_RIM, lambda m: f"{rim} {number(m[2])}"),
    )


SPEECH: Final = OwnSpeech(
    rules={"en": _ENGLISH, "ru": _slavic("ru", "эр"), "uk": _slavic("uk", "ер")},
    feminine={"ru": ("шин", "покрыш"), "uk": ("шин", "покриш")},
    neuter={"ru": ("колес",), "uk": ("колес", "коліс")},
)
