"""From a recogniser's text to the numbers in it, one after the other: the ground under ``numbers``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.agent.number_words import NumberWords

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s]|_")


_SAME_LENGTH = str.maketrans({"ё": "е", "Ё": "Е", "’": "'", "ʼ": "'"})


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Atom:
    """One spoken number: "two hundred and five", "fifty-five", "16"."""

    digits: str
    first: int
    """Index of its first token."""
    last: int
    single: bool = False
    """One digit said as one word."""
    apart: str = ""
    """The other reading of a tens and its unit: "fifty, five" as 505."""


def _tokens(text: str) -> list[_Token]:
    plain = text.translate(_SAME_LENGTH)
    return [_Token(match.group().lower(), match.start(), match.end()) for match in _TOKEN.finditer(plain)]


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


class Reader:
    """Reads the atoms of one text."""

    def __init__(self, text: str, words: NumberWords) -> None:
        self.tokens = _tokens(text)
        self.words = words
        self.names = [_singular(token.text, words) for token in self.tokens]

    def atoms(self) -> list[Atom]:
        found: list[Atom] = []
        index = 0
        while index < len(self.tokens):
            atom = self._atom(index)
            if atom is None:
                index += 1
            else:
                found.append(atom)
                index = atom.last + 1
        return self._without_loners(self._with_weak(found))

    def _atom(self, index: int) -> Atom | None:
        name = self.names[index]
        if name in self.words.repeats:
            return self._repeated(index)
        if name.isdecimal() and name.isascii() and not self._glued(index):
            scaled = self._scaled(index, int(name), index) if len(name) <= 3 else None
            return scaled or Atom(name, index, index, single=len(name) == 1)
        if name in self.words.hundred | self.words.thousand:  # "a hundred", with nothing counted before it
            return self._scaled(index, 1, index - 1)
        if name in self.words.hundreds:
            value, last = self._with_hundreds(index)
            return self._scaled(index, value, last) or Atom(str(value), index, last)
        counted = self._counted(index)
        if counted is not None:
            return counted
        small = self._small(index)
        if small is None:
            return None
        value, last, apart = small
        scaled = self._scaled(index, value, last)
        if scaled is not None:
            return scaled
        return Atom(str(value), index, last, single=name in self.words.units, apart=apart)

    def _glued(self, index: int) -> bool:
        """Digits inside a word such as T1042: a code, not a number. R16 is one; 16 stands for itself."""
        token = self.tokens[index]
        if index == 0 or self.tokens[index - 1].end != token.start:
            return False
        before = self.names[index - 1]
        if before in {"-", "_"} and index > 1 and self.tokens[index - 2].end == self.tokens[index - 1].start:
            before = self.names[index - 2]
            return before.isalpha() and len(before) <= 2 and before not in self.words.measure_separators
        return before.isalpha() and before not in self.words.measure_separators

    def _repeated(self, index: int) -> Atom | None:
        after = self._skip(index + 1)
        if after is None:
            return None
        digit = self.words.units.get(self.names[after])
        if digit is None and len(self.names[after]) == 1 and self.names[after].isdecimal():
            digit = int(self.names[after])
        if digit is None:
            return None
        return Atom(str(digit) * self.words.repeats[self.names[index]], index, after)

    def _counted(self, index: int) -> Atom | None:
        """ "two zeros"."""
        count = self.words.units.get(self.names[index], 0)
        if not 2 <= count <= 4 or index + 1 >= len(self.tokens):
            return None
        digit = self.words.counted.get(self.tokens[index + 1].text)
        return None if digit is None else Atom(str(digit) * count, index, index + 1)

    def _with_hundreds(self, index: int) -> tuple[int, int]:
        """A hundred that is one word and what belongs to it: "двести пять"."""
        value = self.words.hundreds[self.names[index]]
        after = self._skip_joiner(index + 1)
        small = self._small(after) if after is not None and self.names[after] not in self.words.repeats else None
        if small is None or small[0] == 0 or (after is not None and self._counted(after) is not None):
            return value, index
        return value + small[0], small[1]

    def _skip_joiner(self, index: int) -> int | None:
        after = self._skip(index)
        if after is not None and self.names[after] in self.words.joiners:
            after = self._skip(after + 1)
        return after

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

    def _scaled(self, first: int, value: int, last: int) -> Atom | None:
        """``value`` followed by "hundred" or "thousand" and what belongs to it."""
        total, end = self._hundreds(value, last)
        after = self._skip(end + 1)
        if after is not None and self.names[after] in self.words.thousand:
            total, end = total * 1000, after
            following = self._after_joiner(end + 1)
            if following is not None:
                rest, end = self._hundreds(*following)
                total += rest
        return Atom(str(total), first, end) if end != last else None

    def _hundreds(self, value: int, last: int) -> tuple[int, int]:
        """``value``, or what "… hundred and …" makes of it, with its last token."""
        after = self._skip(last + 1)
        if after is None or self.names[after] not in self.words.hundred:
            return value, last
        following = self._after_joiner(after + 1)
        if following is None:
            return value * 100, after
        return value * 100 + following[0], following[1]

    def _after_joiner(self, index: int) -> tuple[int, int] | None:
        after = self._skip_joiner(index)
        if after is None:
            return None
        name = self.names[after]
        if name in self.words.hundreds:
            return self._with_hundreds(after)
        if name.isdecimal() and len(name) <= 3:
            return int(name), after
        small = self._small(after)
        if small is None or (small[0] == 0):
            return None
        return small[0], small[1]

    def _with_weak(self, atoms: list[Atom]) -> list[Atom]:
        """Adds words such as "to" and "for" that stand between two single digits."""
        result: list[Atom] = []
        for atom in atoms:
            if result and result[-1].single and atom.single:
                middle = [i for i in range(result[-1].last + 1, atom.first) if self.names[i] != ","]
                if len(middle) == 1 and self.names[middle[0]] in self.words.weak_units:
                    value = self.words.weak_units[self.names[middle[0]]]
                    result.append(Atom(str(value), middle[0], middle[0], single=True))
            result.append(atom)
        return self._with_weak_ends(result)

    def _with_weak_ends(self, atoms: list[Atom]) -> list[Atom]:
        """Adds one before or after three single digits: "number is for two seven one", "four two seven won"."""
        result = list(atoms)
        for position in range(len(atoms) - 2):
            three = atoms[position : position + 3]
            if not all(atom.single for atom in three) or three[2].last - three[0].first > 6:
                continue
            before, after = three[0].first - 1, three[2].last + 1
            introduced = before == 0 or (before > 0 and self.names[before - 1] in self.words.introductions)
            if introduced and self.names[before] in self.words.weak_units:
                result.append(Atom(str(self.words.weak_units[self.names[before]]), before, before, single=True))
            ends = after < len(self.tokens) and (after + 1 == len(self.tokens) or self.names[after + 1] in {".", ","})
            if ends and self.names[after] in self.words.weak_units and self.names[after] not in {"too", "free"}:
                result.append(Atom(str(self.words.weak_units[self.names[after]]), after, after, single=True))
        unique = {atom.first: atom for atom in result}
        return [unique[first] for first in sorted(unique)]

    def _without_loners(self, atoms: list[Atom]) -> list[Atom]:
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

    def between(self, left: Atom, right: Atom, extra: frozenset[str] = frozenset()) -> bool:
        """Whether nothing but pauses and separators stands between two atoms."""
        allowed = self.words.separators | extra
        return all(
            self.names[index] in {",", "-", ".", "/", "–", "(", ")", "…"} or self.names[index] in allowed
            for index in range(left.last + 1, right.first)
        )

    def runs(self, extra: frozenset[str] = frozenset()) -> list[list[Atom]]:
        """Numbers said in a row, without those that were taken back."""
        return self._corrected(self.all_runs(extra))

    def all_runs(self, extra: frozenset[str] = frozenset()) -> list[list[Atom]]:
        """Those that were taken back included."""
        runs: list[list[Atom]] = []
        for atom in self.atoms():
            if runs and self.between(runs[-1][-1], atom, extra) and not self._whole(runs[-1][-1], atom):
                runs[-1].append(atom)
            else:
                runs.append([atom])
        return runs

    def _whole(self, left: Atom, right: Atom) -> bool:
        """Whether a pause sets a long written number apart: "four, 5551234567" is a four and a telephone number."""
        paused = any(self.names[index] in {",", "."} for index in range(left.last + 1, right.first))
        return paused and max(len(left.digits), len(right.digits)) >= 9

    def _corrected(self, runs: list[list[Atom]]) -> list[list[Atom]]:
        """Drops what the caller took back: "4271, no, 4272" and "not nine"."""
        kept: list[list[Atom]] = []
        for run in runs:
            if run[0].first > 0 and self.names[run[0].first - 1] in self.words.negations:
                continue
            if kept and len(joined(run)) >= 3:
                between = self.names[kept[-1][-1].last + 1 : run[0].first]
                takes_back = any(name in self.words.corrections for name in between)
                alike = abs(len(joined(kept[-1])) - len(joined(run))) <= 2
                if takes_back and len(between) <= 8 and alike:
                    kept.pop()
            kept.append(run)
        return kept

    def span(self, run: Sequence[Atom]) -> tuple[int, int]:
        return self.tokens[run[0].first].start, self.tokens[run[-1].last].end


def joined(run: Sequence[Atom]) -> str:
    return "".join(atom.digits for atom in run)
