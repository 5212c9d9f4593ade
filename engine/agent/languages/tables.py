"""What a language's table holds. The grammar stands on these names; a new language is a new table.

Words are written in lower case with a straight apostrophe and without "ё", which is how ``phrases.words_in`` reads
them. A *phrase* is a small pattern over such words: ``next WEEKDAY``, ``in N day|days``, ``the? ORD of MONTH YEAR?``.
Capitals are slots, ``?`` marks what may be missing, ``|`` parts alternatives and ``…`` ends a word that is inflected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Phrases = tuple[tuple[str, str], ...]
"""Pairs of a meaning and a phrase that has it."""


@dataclass(frozen=True, slots=True)
class NumberWords:
    """Spoken numbers of one language."""

    units: dict[str, int]
    """Words of one digit, what recognisers make of them included."""
    teens: dict[str, int]
    tens: dict[str, int]
    hundred: frozenset[str]
    thousand: frozenset[str]
    repeats: dict[str, int]
    """"double five"."""
    joiners: frozenset[str]
    """Words inside a number that add nothing: "two hundred and five"."""
    weak_units: dict[str, int]
    """Words that sound like a digit: a digit only between two digits."""
    only_beside: frozenset[str]
    """Unit words that mean a digit only next to another number ("oh")."""
    separators: frozenset[str]
    """Words spoken between the groups of one number."""
    measure_separators: frozenset[str]
    """Words spoken between the numbers of a measure: "eighty by a hundred and twenty", "R 16"."""
    negations: frozenset[str]
    """"five not nine": what follows is not meant."""
    corrections: frozenset[str]
    """Words that take back the number before them."""
    sets: dict[str, int]
    """Words for a quantity: "a pair"."""
    hundreds: dict[str, int] = field(default_factory=dict)
    """Hundreds that are one word: "двести"."""
    ordinals: dict[str, int] = field(default_factory=dict)
    """"third", in all its forms."""
    counted: dict[str, int] = field(default_factory=dict)
    """Digits that are counted: "two zeros"."""
    introductions: frozenset[str] = frozenset()
    """Words that a number follows: "number is"."""
    at_end: tuple[str, ...] = ()
    """Phrases for the last digits: "at the end"."""
    at_start: tuple[str, ...] = ()
    digit_nouns: frozenset[str] = frozenset()
    """"digit", after an ordinal or "last"."""


@dataclass(frozen=True, slots=True)
class CalendarWords:
    """Days of one language.

    Slots: D a day of the month in any form, ORD one as an ordinal, NTH one written with its ending ("28th"), LATE an
    ordinal from four on, GEN and NEU the forms in which a bare day is said, N a count, MONTH, YEAR, WEEKDAY. Meanings
    are those of ``dates``.
    """

    months: Mapping[str, int]
    weekdays: Mapping[str, int]
    """Monday is 0."""
    phrases: Phrases
    counts: Mapping[str, int]
    """Words that count without being numbers: "a", "couple"."""
    not_a_day_before: frozenset[str]
    """What may follow an ordinal that names no day: "the second one"."""
    genitive: Mapping[str, int] = field(default_factory=dict)
    neuter: Mapping[str, int] = field(default_factory=dict)
    refused_after: tuple[str, ...] = ()
    """Phrases that refuse the day before them: "does not work"."""
    lead: frozenset[str] = frozenset()
    """Words between a negation and what it negates: "not on the third"."""
    negations: frozenset[str] = frozenset()
    not_negated_by: frozenset[str] = frozenset()
    """Words before a negation that turn it into a proposal: "why not Friday"."""
    bounds: frozenset[str] = frozenset()
    """Words with which a negation proposes: "not before eleven"."""
    months_first: frozenset[str] = frozenset()
    """Tags of those who write 12/3 for the third of December."""


@dataclass(frozen=True, slots=True)
class ClockWords:
    """Times of day of one language.

    Slots: H an hour, O an hour as an ordinal, M minutes as they follow an hour, F minutes that are counted, FIVE those
    that are told by fives, QUARTER, W a time written with a colon, DOT one with a full stop, K one without any.
    Meanings are those of ``times``; "none" is no time at all.
    """

    phrases: Phrases
    minutes: Mapping[str, int]
    """"quarter", "half"."""
    parts: Phrases
    """Parts of the day."""
    no_parts: tuple[str, ...]
    """Phrases that only sound like one: "good morning"."""
    counted: frozenset[str]
    """What is counted after a number that is no hour: "at four euros". A word here may end in "…"."""
    hours: Mapping[str, int] = field(default_factory=dict)
    """The forms of ordinals that name hours."""
    zero: frozenset[str] = frozenset()
    """What is said for the first zero of minutes: "nine oh five"."""


@dataclass(frozen=True, slots=True)
class AnswerWords:
    """Yes and no of one language, as phrases (see ``assent``)."""

    clear_yes: tuple[str, ...]
    """A yes whatever stands beside it, a no and the ``unclear`` aside."""
    yes: tuple[str, ...]
    """A yes unless it is asked: "book it", "that's right"."""
    weak_yes: tuple[str, ...]
    """A yes only where nothing else of weight is said: "right", "fine"."""
    no: tuple[str, ...]
    no_but_fine: tuple[str, ...]
    """Phrases with a "no" in them that refuse nothing: "no problem"."""
    unclear: tuple[str, ...]
    """Phrases that make an answer neither: "no that's fine", "not sure", "if"."""
    questions: tuple[str, ...]
    """What turns a yes into a question: "is that right", "can you"."""
    fillers: frozenset[str]
    """Words that weigh nothing."""


@dataclass(frozen=True, slots=True)
class Language:
    """All tables of one language."""

    code: str
    """ISO 639-1."""
    numbers: NumberWords
    calendar: CalendarWords
    clock: ClockWords
    answers: AnswerWords


def inflected(stems: Mapping[str, int], endings: str) -> dict[str, int]:
    """Each stem with each of the ``endings``, which are set apart by spaces; "-" is no ending."""
    return {stem + ending.replace("-", ""): value for stem, value in stems.items() for ending in endings.split()}


def named(*groups: str, first: int = 0) -> dict[str, int]:
    """Words by number: those of the first group mean ``first``, those of the next one more; "|" parts groups, too."""
    parted = [part for group in groups for part in group.split("|")]
    return {word: number for number, group in enumerate(parted, first) for word in group.split()}


def words(text: str) -> frozenset[str]:
    """The words of a list, set apart by spaces."""
    return frozenset(text.split())
