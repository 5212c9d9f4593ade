"""Numbers as callers say them and recognisers write them: digits, words and any mix of both.

Everything here is a pure function of the text. Numbers that identify something (order, phone, product) come back as
strings of digits, as said, zeros included. ``spell_out`` (the other direction) lives in ``speakable`` and is offered
here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from engine.agent.number_words import ENGLISH, NumberWords, words_of
from engine.agent.speakable import spell_out

__all__ = [
    "NumberRun",
    "TyreSize",
    "has_impossible_size",
    "number_runs",
    "order_numbers",
    "phone_numbers",
    "product_codes",
    "spell_out",
    "tyre_sizes",
]

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Atom:
    """One spoken number: "two hundred and five", "fifty-five", "16"."""

    digits: str
    first: int
    """Index of its first token."""
    last: int
    single: bool = False
    """One digit said as one word."""
    apart: str = ""
    """The other reading of a tens and its unit: "fifty, five" as 505."""


@dataclass(frozen=True, slots=True)
class NumberRun:
    """Numbers said one after the other, nothing but pauses between them."""

    digits: str
    groups: tuple[str, ...]
    start: int
    """Where it starts in the text, in characters."""
    end: int


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


def _tokens(text: str) -> list[_Token]:
    return [_Token(match.group().lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _singular(word: str, words: NumberWords) -> str:
    """ "eighteens", "fifties": sizes are said in the plural."""
    if word.endswith("ies") and word[:-3] + "y" in words.tens:
        return word[:-3] + "y"
    stem = word[:-1]
    if word.endswith("s") and (stem in words.teens or stem in words.units or stem in words.tens):
        return stem
    if word.endswith("es") and word[:-2] in words.units:
        return word[:-2]
    return word


class _Reader:
    """Reads the atoms of one text."""

    def __init__(self, text: str, words: NumberWords) -> None:
        self.tokens = _tokens(text)
        self.words = words
        self.names = [_singular(token.text, words) for token in self.tokens]

    def atoms(self) -> list[_Atom]:
        found: list[_Atom] = []
        index = 0
        while index < len(self.tokens):
            atom = self._atom(index)
            if atom is None:
                index += 1
            else:
                found.append(atom)
                index = atom.last + 1
        return self._without_loners(self._with_weak(found))

    def _atom(self, index: int) -> _Atom | None:
        name = self.names[index]
        if name in self.words.repeats:
            return self._repeated(index)
        if name.isdecimal() and name.isascii() and not self._glued(index):
            scaled = self._scaled(index, int(name), index) if len(name) <= 3 else None
            return scaled or _Atom(name, index, index, single=len(name) == 1)
        if name in self.words.hundred | self.words.thousand:  # "a hundred", with nothing counted before it
            return self._scaled(index, 1, index - 1)
        small = self._small(index)
        if small is None:
            return None
        value, last, apart = small
        scaled = self._scaled(index, value, last)
        if scaled is not None:
            return scaled
        return _Atom(str(value), index, last, single=name in self.words.units, apart=apart)

    def _glued(self, index: int) -> bool:
        """Digits inside a word such as T1042: a code, not a number. R16 is one; 16 stands for itself."""
        token = self.tokens[index]
        if index == 0 or self.tokens[index - 1].end != token.start:
            return False
        before = self.names[index - 1]
        if before in {"-", "_"} and index > 1 and self.tokens[index - 2].end == self.tokens[index - 1].start:
            before = self.names[index - 2]
            return before.isalpha() and len(before) <= 2 and before not in self.words.size_separators
        return before.isalpha() and before not in self.words.size_separators

    def _repeated(self, index: int) -> _Atom | None:
        after = self._skip(index + 1)
        if after is None:
            return None
        digit = self.words.units.get(self.names[after])
        if digit is None and len(self.names[after]) == 1 and self.names[after].isdecimal():
            digit = int(self.names[after])
        if digit is None:
            return None
        return _Atom(str(digit) * self.words.repeats[self.names[index]], index, after)

    def _skip(self, index: int) -> int | None:
        """The next token that is no hyphen or comma."""
        while index < len(self.tokens):
            if self.names[index] not in {"-", ",", "–"}:
                return index
            index += 1
        return None

    def _small(self, index: int) -> tuple[int, int, str] | None:
        """A number below a hundred in words: value, last token, its reading as two numbers."""
        name = self.names[index]
        if name in self.words.units:
            return self.words.units[name], index, ""
        if name in self.words.teens:
            return self.words.teens[name], index, ""
        if name not in self.words.tens:
            return None
        value = self.words.tens[name]
        after = self._skip(index + 1)
        if after is not None:
            unit = self.words.units.get(self.names[after], 0)
            if unit:
                return value + unit, after, f"{value}{unit}"
        return value, index, ""

    def _scaled(self, first: int, value: int, last: int) -> _Atom | None:
        """``value`` followed by "hundred" or "thousand" and what belongs to it."""
        words = self.words
        total, rest, end = 0, value, last
        scaled = False
        for names, factor in ((words.thousand, 1000), (words.hundred, 100)):
            after = self._skip(end + 1)
            if after is None or self.names[after] not in names:
                continue
            scaled = True
            total, end, rest = total + rest * factor, after, 0
            following = self._after_joiner(end + 1)
            if following is not None:
                rest, end = following
        return _Atom(str(total + rest), first, end) if scaled else None

    def _after_joiner(self, index: int) -> tuple[int, int] | None:
        after = self._skip(index)
        if after is not None and self.names[after] in self.words.joiners:
            after = self._skip(after + 1)
        if after is None:
            return None
        name = self.names[after]
        if name.isdecimal() and len(name) <= 3:
            return int(name), after
        small = self._small(after)
        if small is None or (small[0] == 0):
            return None
        return small[0], small[1]

    def _with_weak(self, atoms: list[_Atom]) -> list[_Atom]:
        """Adds words such as "to" and "for" that stand between two single digits."""
        result: list[_Atom] = []
        for atom in atoms:
            if result and result[-1].single and atom.single:
                middle = [i for i in range(result[-1].last + 1, atom.first) if self.names[i] != ","]
                if len(middle) == 1 and self.names[middle[0]] in self.words.weak_units:
                    value = self.words.weak_units[self.names[middle[0]]]
                    result.append(_Atom(str(value), middle[0], middle[0], single=True))
            result.append(atom)
        return result

    def _without_loners(self, atoms: list[_Atom]) -> list[_Atom]:
        """Drops an "oh" that stands beside no number, and what a "not" takes away."""
        kept = []
        for position, atom in enumerate(atoms):
            if self.names[atom.first] in self.words.only_beside:
                left = position > 0 and self.between(atoms[position - 1], atom)
                right = position + 1 < len(atoms) and self.between(atom, atoms[position + 1])
                if not left and not right:
                    continue
            kept.append(atom)
        return kept

    def between(self, left: _Atom, right: _Atom, extra: frozenset[str] = frozenset()) -> bool:
        """Whether nothing but pauses and separators stands between two atoms."""
        allowed = self.words.separators | extra
        return all(
            self.names[index] in {",", "-", ".", "/", "–", "(", ")", "…"} or self.names[index] in allowed
            for index in range(left.last + 1, right.first)
        )

    def runs(self, extra: frozenset[str] = frozenset()) -> list[list[_Atom]]:
        runs: list[list[_Atom]] = []
        for atom in self.atoms():
            if runs and self.between(runs[-1][-1], atom, extra) and not self._whole(runs[-1][-1], atom):
                runs[-1].append(atom)
            else:
                runs.append([atom])
        return self._corrected(runs)

    def _whole(self, left: _Atom, right: _Atom) -> bool:
        """Whether a pause sets a long written number apart: "four, 5551234567" is a four and a telephone number."""
        paused = any(self.names[index] in {",", "."} for index in range(left.last + 1, right.first))
        return paused and max(len(left.digits), len(right.digits)) >= 9

    def _corrected(self, runs: list[list[_Atom]]) -> list[list[_Atom]]:
        """Drops what the caller took back: "4271, no, 4272" and "not nine"."""
        kept: list[list[_Atom]] = []
        for run in runs:
            if run[0].first > 0 and self.names[run[0].first - 1] in self.words.negations:
                continue
            if kept and len(_joined(run)) >= 3:
                between = self.names[kept[-1][-1].last + 1 : run[0].first]
                takes_back = any(name in self.words.corrections for name in between)
                alike = abs(len(_joined(kept[-1])) - len(_joined(run))) <= 2
                if takes_back and len(between) <= 8 and alike:
                    kept.pop()
            kept.append(run)
        return kept

    def span(self, run: Sequence[_Atom]) -> tuple[int, int]:
        return self.tokens[run[0].first].start, self.tokens[run[-1].last].end


def _joined(run: Sequence[_Atom]) -> str:
    return "".join(atom.digits for atom in run)


def number_runs(text: str, language: str = "en") -> list[NumberRun]:
    """All numbers of ``text``, those said in a row as one run, what was taken back left out."""
    reader = _Reader(text, words_of(language) or ENGLISH)
    result = []
    for run in reader.runs():
        start, end = reader.span(run)
        result.append(NumberRun(_joined(run), tuple(atom.digits for atom in run), start, end))
    return result


def _readings(atoms: Sequence[_Atom]) -> Iterator[str]:
    """All ways to write the atoms in digits, the likeliest first."""
    choices = [(atom.digits, atom.apart) if atom.apart else (atom.digits,) for atom in atoms[:8]]
    for choice in product(*choices):
        yield "".join(choice)
    if len(atoms) > 1:  # literal "50 5": a tens and its unit written apart
        yield re.sub(r"([2-9])0 ([1-9])(?= |$)", r"\1\2", " ".join(atom.digits for atom in atoms)).replace(" ", "")


def _size_in(atoms: Sequence[_Atom]) -> TyreSize | None:
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
    words = words_of(language) or ENGLISH
    reader = _Reader(text, words)
    found = []
    for run in reader.runs(words.size_separators):
        if len(_joined(run)) > 9 and all(atom.single for atom in run):
            continue  # a telephone number said digit by digit
        size = _size_in(run)
        if size is not None:
            found.append(size)
    labelled = _labelled_size(text, reader) if not found else None
    return [labelled] if labelled is not None else found


_LABELS = {
    "width": ("width", "wide"),
    "profile": ("profile", "aspect", "height", "ratio"),
    "diameter": ("diameter", "inch", "inches", "rim", "rims", "r"),
}


def _labelled_size(text: str, reader: _Reader) -> TyreSize | None:
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
    for run in _Reader(text, words).runs(words.size_separators):
        for digits in _readings(run):
            if len(digits) == 5 and plausible_width(int(digits[:3])) and plausible_profile(int(digits[3:])):
                return int(digits[:3]), int(digits[3:])
    return None


_ABOUT_SIZE = re.compile(r"\b(?:sizes?|tyres?|tires?|width|profile|diameter|rims?)\b", re.IGNORECASE)
_SHAPED = re.compile(r"\br\s*\d|\d\s*/\s*\d|\br\b|\bby\b|\bslash\b", re.IGNORECASE)


def has_impossible_size(text: str, language: str = "en", *, expected: bool = False) -> bool:
    """Whether something was said in the shape of a size that no tyre has.

    ``expected``: a size was asked for, so a bare row of numbers counts as one; else the words must speak of a size.
    """
    words = words_of(language) or ENGLISH
    reader = _Reader(text, words)
    meant = expected or bool(_ABOUT_SIZE.search(text))
    for run in reader.runs(words.size_separators):
        digits = _joined(run)
        start, end = reader.span(run)
        shaped = bool(_SHAPED.search(text[start:end]))
        long_enough = meant and (len(run) >= 2 or expected) and not all(atom.single for atom in run[:8])
        if len(run) >= 2 and (shaped or long_enough) and 5 <= len(digits) <= 9 and _size_in(run) is None:
            return True
    return False


def phone_numbers(text: str, language: str = "en") -> list[str]:
    """Runs of 7 to 15 digits."""
    return [run.digits for run in number_runs(text, language) if 7 <= len(run.digits) <= 15]


def order_numbers(text: str, language: str = "en") -> list[str]:
    """Runs of 3 to 12 digits."""
    return [run.digits for run in number_runs(text, language) if 3 <= len(run.digits) <= 12]


_WRITTEN_CODE = re.compile(r"\b([A-Za-z]{1,3})\s?[-–]\s?(\d{3,6})\b|\b([A-Z]{1,3}|[a-z])(\d{3,6})\b")
_SPOKEN_LETTERS = {"tee": "T", "tea": "T", "t": "T", "tango": "T", "tie": "T"}


def product_codes(text: str, language: str = "en") -> list[str]:
    """Codes of a letter and digits, written ("T-1042", "t1042") or said ("tee ten forty two"), as ``T-1042``."""
    found: list[tuple[int, str]] = []
    for match in _WRITTEN_CODE.finditer(text):
        letters = (match.group(1) or match.group(3)).upper()
        if letters not in {"R", "ZR"}:
            found.append((match.start(), f"{letters}-{match.group(2) or match.group(4)}"))
    if not found:
        found = _spoken_codes(text, words_of(language) or ENGLISH)
    return [code for _, code in sorted(found)]


def _spoken_codes(text: str, words: NumberWords) -> list[tuple[int, str]]:
    """A letter said before a number: "product tee ten forty two". Long runs end where a code ends at the latest."""
    reader = _Reader(text, words)
    found = []
    for run in reader.runs():
        before = run[0].first - 1
        while before >= 0 and reader.names[before] in {"-", ",", "–", "dash", "hyphen", "."}:
            before -= 1
        if before < 0:
            continue
        letter = _SPOKEN_LETTERS.get(reader.names[before])
        labelled = before > 0 and reader.names[before - 1] in {"product", "item", "article", "code", "model"}
        if letter is None and labelled and len(reader.names[before]) == 1 and reader.names[before].isalpha():
            letter = reader.names[before].upper()
        digits = _joined(run)
        if letter is not None and 3 <= len(digits) <= 6:
            found.append((reader.tokens[before].start, f"{letter}-{digits}"))
    return found
