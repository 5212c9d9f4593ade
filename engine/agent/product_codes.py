"""Product codes, letters and digits, as callers say them and recognisers write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.agent.number_reader import Reader, joined
from engine.agent.number_words import ENGLISH, NumberWords, words_of

_WRITTEN = re.compile(r"\b([A-Za-z]{1,3})\s?[-–]\s?(\d{3,6})\b|\b([A-Z]{1,3}|[a-z])(\d{3,6})\b")
_RADIUS = frozenset({"R", "ZR"})
"""Letters of a measure, not of a code, where no code begins with them."""
_LOOKALIKES: Mapping[str, str] = dict(zip("АВЕКМНОРСТХавекмнорстх", "ABEKMHOPCTXabekmhopctx", strict=True))
"""Cyrillic letters that look like Latin ones."""
_NAMES: Mapping[str, frozenset[str]] = {
    letter: frozenset({letter.lower(), *names.split()})
    for letter, names in {
        "A": "ay alpha alfa а", "B": "bee bravo бэ бе", "C": "cee see sea charlie цэ це", "D": "dee delta дэ де",
        "E": "echo е", "F": "ef eff foxtrot эф еф", "G": "gee golf гэ ге", "H": "aitch haitch hotel аш",
        "I": "eye india и і", "J": "jay juliet juliett йот", "K": "kay kilo ка", "L": "el ell lima эль ель",
        "M": "em mike эм ем", "N": "en november эн ен", "O": "oscar о", "P": "pee papa пэ пе", "Q": "cue quebec ку",
        "R": "ar romeo эр ер", "S": "ess sierra эс ес", "T": "tee tea tango tie т тэ те", "U": "you uniform у",
        "V": "vee victor вэ ве", "W": "whiskey whisky", "X": "ex икс ікс", "Y": "why wye yankee игрек ігрек",
        "Z": "zed zee zulu зет зэт",
    }.items()
}  # fmt: skip
"""Letter → what it is called, and what recognisers make of that."""
_CODE_WORDS = frozenset({"product", "item", "article", "code", "model", "товар", "код", "артикул"})
_PAUSES = frozenset({"-", ",", "–", "dash", "hyphen", "."})


def product_codes(text: str, language: str = "en", prefix: str = "") -> list[str]:
    """Codes of letters and digits, written ("T-1042", "t1042") or said ("tee ten forty two"), as ``T-1042``.

    ``prefix``: the letters that the business's codes begin with. The names of these are understood before any number,
    those of others only where a word such as "product" stands before them.
    """
    prefix = prefix.upper()
    found: list[tuple[int, str]] = []
    for match in _WRITTEN.finditer(_latin(text, prefix)):
        letters = (match.group(1) or match.group(3)).upper()
        if letters == prefix or letters not in _RADIUS:
            found.append((match.start(), f"{letters}-{match.group(2) or match.group(4)}"))
    if not found:
        found = _spoken(text, words_of(language) or ENGLISH, prefix)
    return [code for _, code in sorted(found)]


def _latin(text: str, prefix: str) -> str:
    """``text`` of the same length with the prefix's letters in Latin."""
    return text.translate({ord(one): other for one, other in _LOOKALIKES.items() if other.upper() in prefix})


def _spoken(text: str, words: NumberWords, prefix: str) -> list[tuple[int, str]]:
    """Letters said before a number: "product tee ten forty two". Long runs end where a code ends at the latest."""
    reader = Reader(text, words)
    found = []
    for run in reader.runs():
        digits = joined(run)
        last = run[0].first - 1
        while last >= 0 and reader.names[last] in _PAUSES:
            last -= 1
        if last < 0 or not 3 <= len(digits) <= 6:
            continue
        first = last - len(prefix) + 1
        name = reader.names[last]
        if prefix and first >= 0 and _spells(reader.names[first : last + 1], prefix):
            found.append((reader.tokens[first].start, f"{prefix}-{digits}"))
        elif last > 0 and reader.names[last - 1] in _CODE_WORDS and len(name) == 1 and name.isalpha():
            found.append((reader.tokens[last].start, f"{name.upper()}-{digits}"))
    return found


def _spells(names: list[str], prefix: str) -> bool:
    return all(name in _NAMES.get(letter, {letter.lower()}) for name, letter in zip(names, prefix, strict=True))
