"""Names as recognisers mishear them: "Mitchell in" is Michelin, "bridge stone" Bridgestone.

Words are compared by sound: vowels count little, consonants made at the same place (b and p, v and f) are near. What
is near enough was measured on telephone audio of the brands of a shop; see ``_NEAR``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_LONGEST = 3
"""Words of a text that may be one misheard name."""

_NEAR = 0.82
"""How near (0..1) a word must be to a name. Of the shop's 47 brands spoken 376 times by two voices over a telephone
line, this and what follows find 160 and no wrong one;
in 831 other sentences of the shop they find none that is not there."""
_NEAR_PROPER = 0.76
"""The same for a word with a capital inside a sentence: the recogniser took it for a name, too."""
_NEAR_WORDS = 0.79
"""The same for several words together, which may be anything said quickly."""
_NEAR_SHORT_WORDS = 0.92
"""The same where the name is short: "to you" is not Toyo."""
_NEAR_COMMON = 0.97
"""The same for words of which the first is as common as "no": "no can do" is not Nokian, "no kian" is."""
_NEAR_ANSWER = 0.7
"""The same for the answer to a question for one of them: "Give." is Kyiv, "I carred" by card."""
_SHORTEST_ANSWER = 3
"""Sounds of such an answer, at least."""
_SHORT = 5
"""Sounds of a short name."""
_APART = 0.04
"""How much nearer than every other name the best one must be."""
_GLUED = ("for", "four", "or", "and")
"""Words that recognisers write together with the name after them: "forfalcon"."""
_COMMON = frozenset(
    {
        "a",
        "an",
        "the",
        "no",
        "not",
        "do",
        "to",
        "i",
        "we",
        "you",
        "can",
        "is",
        "it",
        "in",
        "on",
        "or",
        "and",
        "for",
        "my",
    }
)
_REFUSALS = frozenset({"not", "except", "without", "не", "кроме", "крім", "окрім", "без"})

_PLACES = ("bp", "fv", "td", "kg", "sz", "mn", "lr", "jq")
_PLACE = {sound: place for place, sounds in enumerate(_PLACES) for sound in sounds}
_VOWELS = frozenset("aeiou")
_FAINT = frozenset("hw")


@lru_cache(maxsize=4096)
def sound_key(text: str) -> str:
    """Letters as they sound, roughly: same key, same sound. "j" and "q" stand for the sounds of "jam" and "chip"."""
    key = "".join(_WORD.findall(text.lower()))
    for written, sounded in _WRITTEN:
        key = key.replace(written, sounded)
    key = re.sub(r"c(?=[eiy])", "s", key)
    key = key.replace("c", "k").replace("y", "i").replace("z", "s")
    return re.sub(r"(.)\1+", r"\1", key)


_WRITTEN = (
    ("tch", "q"),
    ("sch", "q"),
    ("ch", "q"),
    ("sh", "q"),
    ("dge", "j"),
    ("dg", "j"),
    ("ck", "k"),
    ("ph", "f"),
    ("qu", "kw"),
    ("gh", "g"),
    ("wh", "w"),
    ("x", "ks"),
)


def _weight(sound: str) -> float:
    return 0.35 if sound in _VOWELS else 0.4 if sound in _FAINT else 1.0


def _exchange(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        return 0.2
    if one in _VOWELS or other in _VOWELS:
        return 1.2
    return 0.35 if one in _PLACE and _PLACE[one] == _PLACE.get(other) else 1.0


@lru_cache(maxsize=16384)
def _alike(one: str, other: str) -> float:
    """How alike two sound keys are, 0..1."""
    costs = [0.0]
    for sound in other:
        costs.append(costs[-1] + _weight(sound))
    for mine in one:
        diagonal, costs[0] = costs[0], costs[0] + _weight(mine)
        for index, sound in enumerate(other, 1):
            diagonal, costs[index] = (
                costs[index],
                min(
                    costs[index] + _weight(mine),
                    costs[index - 1] + _weight(sound),
                    diagonal + _exchange(mine, sound),
                ),
            )
    whole = max(sum(map(_weight, one)), sum(map(_weight, other)))
    return max(0.0, 1.0 - costs[-1] / whole) if whole else 0.0


def alike(one: str, other: str) -> float:
    """0..1, by sound."""
    return _alike(sound_key(one), sound_key(other))


def find_names(text: str, names: Iterable[str]) -> list[str]:
    """The ``names`` that occur in ``text``, in the order they were said, misheard spellings included.

    A name counts where one to three words in a row sound like it and like no other name. One after "not" or "except"
    is left out.
    """
    return list(_found(text, tuple(names)))


def nearest_name(text: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that ``text``, an answer to the question for it, sounds like; None: none or any of two.

    Less is asked for than in ``find_names``: it is known that one of them was to be said.
    """
    words = _WORD.findall(text)
    best: dict[str, float] = {}
    for first in range(len(words)):
        for last in range(first + 1, min(first + _LONGEST, len(words)) + 1):
            spoken = sound_key("".join(words[first:last]))
            for name in names:
                key = sound_key(name)
                if len(spoken) >= _SHORTEST_ANSWER and _may_be(spoken, key):
                    best[name] = max(best.get(name, 0.0), _alike(spoken, key))
    ranked = sorted(((score, name) for name, score in best.items()), reverse=True)
    if not ranked or ranked[0][0] < _NEAR_ANSWER or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _APART):
        return None
    return ranked[0][1]


@dataclass(frozen=True, slots=True)
class _Heard:
    """Words that sound like a name."""

    score: float
    first: int
    length: int
    name: str


@lru_cache(maxsize=512)
def _found(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    words = list(_WORD.finditer(text))
    heard = [one for first in range(len(words)) for one in _heard_at(text, words, first, names)]
    taken: list[_Heard] = []
    for one in sorted(heard, key=lambda one: (-one.score, one.length, one.first)):
        if all(one.first + one.length <= other.first or other.first + other.length <= one.first for other in taken):
            taken.append(one)
    found: list[str] = []
    for one in sorted(taken, key=lambda one: one.first):
        before = words[one.first - 1].group().lower() if one.first else ""
        if before not in _REFUSALS and one.name not in found:
            found.append(one.name)
    return tuple(found)


def _heard_at(text: str, words: Sequence[re.Match[str]], first: int, names: tuple[str, ...]) -> Iterator[_Heard]:
    """The name, if any, that the words from ``first`` on sound like, for each number of words."""
    word = words[first].group()
    for length in range(1, min(_LONGEST, len(words) - first) + 1):
        said = "".join(match.group() for match in words[first : first + length])
        if length > 1 and _stops(text, words[first + length - 2], words[first + length - 1]):
            return
        proper = length == 1 and _is_proper(text, words[first])
        score, name = _nearest(said, names, length=length, proper=proper, common=word.lower() in _COMMON)
        if not name and length == 1:
            for glued in _GLUED:
                rest = word.lower().removeprefix(glued)
                if rest != word.lower() and len(rest) >= _SHORT:
                    score, name = _nearest(rest, names, length=1, proper=False)
        if name:
            yield _Heard(score, first, length, name)


def _stops(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    """Whether a sentence ends between two words."""
    return any(sign in text[left.end() : right.start()] for sign in ".?!;:/")


def _is_proper(text: str, word: re.Match[str]) -> bool:
    """Whether a word has its capital from being a name."""
    before = text[: word.start()].rstrip()
    return word.group().istitle() and bool(before) and before[-1] not in ".?!"


def _nearest(
    said: str, names: tuple[str, ...], *, length: int, proper: bool, common: bool = False
) -> tuple[float, str]:
    """The score and the name that ``said`` sounds like; an empty name where it is none or any of two."""
    spoken = sound_key(said)
    scores = []
    for name in names:
        if said.lower() == name.lower().replace(" ", ""):
            return 2.0, name
        key = sound_key(name)
        if _may_be(spoken, key):
            clipped = len(spoken) >= _SHORT and key.startswith(spoken) and len(key) == len(spoken) + 1
            scores.append((max(_alike(spoken, key), _NEAR if clipped else 0.0), name))
    scores.sort(reverse=True)
    if not scores or (len(scores) > 1 and scores[0][0] - scores[1][0] < _APART):
        return 0.0, ""
    score, name = scores[0]
    short = len(sound_key(name)) <= _SHORT
    if length > 1:
        needed = _NEAR_COMMON if common else _NEAR_SHORT_WORDS if short else _NEAR_WORDS
    else:
        needed = _NEAR_PROPER if proper else _NEAR
    return (score, name) if score >= needed and len(spoken) >= 4 else (0.0, "")


def _may_be(spoken: str, key: str) -> bool:
    """A quick look: the same sort of first sound, and about as long."""
    if not spoken or not key or abs(len(spoken) - len(key)) > 4:
        return False
    one, other = spoken[0], key[0]
    return one == other or (one in _VOWELS and other in _VOWELS) or _PLACE.get(one, -1) == _PLACE.get(other, -2)
