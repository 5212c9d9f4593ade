"""Tyre sizes as callers say them and recognisers write them: "two oh five fifty five sixteen", "225/40ZR18"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from engine.agent.number_reader import Atom, Reader, joined
from engine.agent.number_words import ENGLISH, words_of


@dataclass(frozen=True, slots=True, order=True)
class TyreSize:
    """A size that exists on tyres: width in mm, profile in per cent, rim diameter in inches."""

    width: int
    profile: int
    diameter: int

    def __str__(self) -> str:
        return f"{self.width}/{self.profile} R{self.diameter}"

    @staticmethod
    def plausible(width: int, profile: int, diameter: int) -> bool:
        """Widths of passenger and van tyres end in 5; anything else was misheard or is made up."""
        return plausible_width(width) and plausible_profile(profile) and plausible_diameter(diameter)


def plausible_width(width: int) -> bool:
    return 125 <= width <= 395 and width % 10 == 5


def plausible_profile(profile: int) -> bool:
    return 25 <= profile <= 85 and profile % 5 == 0


def plausible_diameter(diameter: int) -> bool:
    return 12 <= diameter <= 24


def _readings(atoms: Sequence[Atom]) -> Iterator[str]:
    """All ways to write the atoms in digits, the likeliest first."""
    choices = [(atom.digits, atom.apart) if atom.apart else (atom.digits,) for atom in atoms[:8]]
    for choice in product(*choices):
        yield "".join(choice)
    if len(atoms) > 1:  # literal "50 5": a tens and its unit written apart
        yield re.sub(r"([2-9])0 ([1-9])(?= |$)", r"\1\2", " ".join(atom.digits for atom in atoms)).replace(" ", "")


def _size_in(atoms: Sequence[Atom]) -> TyreSize | None:
    for start in range(len(atoms)):
        for end in range(start + 1, min(start + 8, len(atoms)) + 1):
            for digits in _readings(atoms[start:end]):
                if len(digits) != 7:
                    continue
                numbers = int(digits[:3]), int(digits[3:5]), int(digits[5:])
                if TyreSize.plausible(*numbers):
                    return TyreSize(*numbers)
    return None


def tyre_sizes(text: str, language: str = "en") -> list[TyreSize]:
    """The tyre sizes of ``text`` in the order they were said; sizes that cannot exist are left out."""
    return list(_tyre_sizes(text, language))


@lru_cache(maxsize=512)
def _tyre_sizes(text: str, language: str) -> tuple[TyreSize, ...]:
    words = words_of(language) or ENGLISH
    reader = Reader(text, words)
    found = []
    for run in reader.runs(words.measure_separators):
        if len(joined(run)) > 9 and all(atom.single for atom in run):
            continue  # a telephone number said digit by digit
        size = _size_in(run)
        if size is not None:
            found.append(size)
    labelled = _labelled_size(text, reader) if not found else None
    return (labelled,) if labelled is not None else tuple(found)


_LABELS = {
    "width": ("width", "wide", "ширина", "шириной", "ширину"),
    "profile": ("profile", "aspect", "height", "ratio", "профиль", "высота", "профіль"),
    "diameter": ("diameter", "inch", "inches", "rim", "rims", "r", "диаметр", "радиус", "діаметр", "радіус", "р"),
}


def _labelled_size(text: str, reader: Reader) -> TyreSize | None:
    """ "width 205, rim 16, profile 55": each number with its name, in any order."""
    parts: dict[str, int] = {}
    for atom in reader.atoms():
        value = int(atom.digits)
        around = [
            reader.names[i] for i in (atom.first - 1, atom.first - 2, atom.last + 1) if 0 <= i < len(reader.names)
        ]
        for part, labels in _LABELS.items():
            fits = {"width": plausible_width, "profile": plausible_profile, "diameter": plausible_diameter}[part](value)
            if fits and part not in parts and any(label in around for label in labels):
                parts[part] = value
                break
    if len(parts) == 3:
        return TyreSize(parts["width"], parts["profile"], parts["diameter"])
    return None


def partial_size(text: str, language: str = "en") -> tuple[int, int] | None:
    """Width and profile where the caller stopped before the diameter ("two oh five fifty five")."""
    words = words_of(language) or ENGLISH
    for run in Reader(text, words).runs(words.measure_separators):
        found = _partial_in(run)
        if found is not None:
            return found
    return None


def _partial_in(atoms: Sequence[Atom]) -> tuple[int, int] | None:
    for digits in _readings(atoms):
        if len(digits) == 5 and plausible_width(int(digits[:3])) and plausible_profile(int(digits[3:])):
            return int(digits[:3]), int(digits[3:])
    return None


def begins_with_size(digits: str) -> bool:
    """Whether a row of digits begins with a width and a profile."""
    return len(digits) >= 5 and plausible_width(int(digits[:3])) and plausible_profile(int(digits[3:5]))


_ABOUT_SIZE = re.compile(r"\b(?:sizes?|tyres?|tires?|width|profile|diameter|rims?)\b", re.IGNORECASE)
_SHAPED = re.compile(r"\br\s*\d|\d\s*/\s*\d|\br\b|\bby\b|\bslash\b", re.IGNORECASE)


def has_impossible_size(text: str, language: str = "en", *, expected: bool = False) -> bool:
    """Whether something was said in the shape of a size that no tyre has.

    ``expected``: a size was asked for, so a bare row of numbers counts as one; else the words must speak of a size.
    """
    words = words_of(language) or ENGLISH
    reader = Reader(text, words)
    meant = expected or bool(_ABOUT_SIZE.search(text))
    for run in reader.runs(words.measure_separators):
        digits = joined(run)
        start, end = reader.span(run)
        shaped = bool(_SHAPED.search(text[start:end]))
        long_enough = meant and (len(run) >= 2 or expected) and not all(atom.single for atom in run[:8])
        if len(run) >= 2 and (shaped or long_enough) and 5 <= len(digits) <= 9 and _size_in(run) is None:
            if _partial_in(run) is not None:
                continue  # the diameter is still to come
            return True
    return False
