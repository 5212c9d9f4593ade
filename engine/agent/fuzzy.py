"""Names as recognisers mishear them: "Mitchell in" is Michelin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_ALIKE = 0.84
"""How alike two sound keys must be, 0..1: above what ordinary English words reach against the brands of a tyre shop."""


@lru_cache(maxsize=4096)
def sound_key(text: str) -> str:
    """Letters as they sound, roughly: same key, same sound."""
    key = "".join(_WORD.findall(text.lower()))
    for written, sounded in (("tch", "ch"), ("ck", "k"), ("ph", "f"), ("qu", "kw"), ("gh", "g"), ("wh", "w")):
        key = key.replace(written, sounded)
    key = re.sub(r"c(?=[eiy])", "s", key)
    key = re.sub(r"c(?!h)", "k", key)
    key = key.replace("y", "i").replace("z", "s")
    return re.sub(r"(.)\1+", r"\1", key)


def alike(one: str, other: str) -> float:
    """0..1, by sound."""
    return SequenceMatcher(None, sound_key(one), sound_key(other), autojunk=False).ratio()


def find_names(text: str, names: Iterable[str]) -> list[str]:
    """The ``names`` that occur in ``text``, in the order they were said, misheard spellings included.

    A name counts where one to three words in a row sound like it and start alike; short names must match exactly.
    A name after "not" or "except" is left out.
    """
    return list(_found(text, tuple(names)))


@lru_cache(maxsize=512)
def _found(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    words = list(_WORD.finditer(text))
    best: dict[int, tuple[float, int, str]] = {}
    for name in names:
        key = sound_key(name)
        for start in range(len(words)):
            for length in (1, 2, 3):
                if start + length > len(words):
                    break
                said = "".join(word.group() for word in words[start : start + length])
                score = _score(said, name, key, length)
                if score > 0 and score > best.get(start, (0.0, 0, ""))[0]:
                    best[start] = (score, length, name)
    found: list[str] = []
    end = -1
    for start in sorted(best):
        _, length, name = best[start]
        nearer = best.get(start + 1)
        if start <= end or (nearer is not None and nearer[0] > best[start][0] and length > 1):
            continue
        end = start + length - 1
        before = words[start - 1].group().lower() if start else ""
        if before not in {"not", "except", "without"} and name not in found:
            found.append(name)
    return tuple(found)


def _score(said: str, name: str, key: str, length: int) -> float:
    if said.lower() == name.lower():
        return 2.0
    said_key = sound_key(said)
    if len(key) < 5 or not said_key or said_key[0] != key[0] or abs(len(said_key) - len(key)) > 3:
        return 0.0
    if said_key == key:
        return 1.5
    ratio = SequenceMatcher(None, said_key, key, autojunk=False).ratio()
    # two words that only nearly sound like the name must be nearer than one, and never swallow much more than it
    needed = _ALIKE if length == 1 else 0.80 if len(key) >= 7 and len(said_key) <= len(key) + 2 else 0.9
    return ratio if ratio >= needed else 0.0
