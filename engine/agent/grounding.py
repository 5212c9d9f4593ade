"""Whether a value that a model put into a tool call was said by anybody.

A model fills what it was not told, and a decoder held to limits turns "500 tyres" into 5. So each argument names the
kind of evidence it needs, and the value is looked for in the caller's own words (or, where the argument allows it, in
what the agent offered from its tools).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from engine.agent.fuzzy import find_names, sound_key
from engine.agent.numbers import number_runs, partial_size, product_codes, tyre_sizes
from engine.agent.ports import Message
from engine.agent.quantities import quantities

_LONGEST_TURN = 2000
"""Characters of one turn that are looked at: two minutes of speech."""


class Evidence(Enum):
    """What must support a value."""

    NONE = "none"
    """Nothing: an enumeration or words of the model's own (a query, a reason)."""
    WORDS = "words"
    """The value, or something that sounds like it, in the caller's words."""
    SEASON = "season"
    DIGITS = "digits"
    """All its digits in one run of numbers that the caller said."""
    QUANTITY = "quantity"
    WIDTH = "width"
    PROFILE = "profile"
    DIAMETER = "diameter"
    PRODUCT = "product"
    """A product code said by the caller or offered by the agent."""


@dataclass(frozen=True, slots=True)
class Said:
    """The words a call was made of so far."""

    caller: tuple[str, ...]
    """The caller's turns, oldest first."""
    offered: tuple[str, ...] = ()
    """What the agent said, and what its tools returned."""
    language: str = "en"
    last_offer: str = ""
    """What the agent said last before the caller's last turn."""
    product_prefix: str = ""

    @staticmethod
    def of(history: Sequence[Message], language: str = "en", product_prefix: str = "") -> Said:
        """Sorts a conversation."""
        caller, offered, last_offer, spoken = [], [], "", ""
        for message in history:
            if message.role == "user":
                caller.append(message.content[-_LONGEST_TURN:])
                last_offer, spoken = spoken, ""
            elif message.role == "assistant" and message.content:
                offered.append(message.content)
                spoken = message.content
            elif message.role == "tool":
                offered.append(message.content)
        return Said(tuple(caller), tuple(offered), language, last_offer, product_prefix)

    @property
    def last(self) -> str:
        """The caller's last turn."""
        return self.caller[-1] if self.caller else ""


SEASON_WORDS: Mapping[str, re.Pattern[str]] = {
    "all_season": re.compile(
        r"\ball?[\s-]*(?:season|weather|year|round)s?\b|\bfour[\s-]*seasons?\b|\ball[\s-]+year\b|\byear[\s-]*round\b",
        re.IGNORECASE,
    ),
    "winter": re.compile(r"\bwinters?\b|\bwinter's\b|\bsnow\b|\bstudd?ed\b|\bice\b|\bwinder\b", re.IGNORECASE),
    "summer": re.compile(r"\bsummers?\b|\bsummer's\b|\bsome are\b|\bsumm?er\b", re.IGNORECASE),
}


def _season(value: object, said: Said) -> bool:
    pattern = SEASON_WORDS.get(str(value))
    return pattern is not None and any(pattern.search(text) for text in said.caller)


def _words(value: object, said: Said) -> bool:
    name = str(value).strip()
    if not name:
        return False
    key = sound_key(name)
    return any(
        name.lower() in text.lower() or bool(find_names(text, [name])) or (len(key) > 3 and key in sound_key(text))
        for text in said.caller
    )


def _digits(value: object, said: Said) -> bool:
    wanted = re.sub(r"[\s()+./-]", "", str(value))
    if not wanted.isdecimal():
        return False
    if any(run.digits == wanted for text in said.caller for run in number_runs(text, said.language)):
        return True
    # said over two turns in a row, as one does with a telephone number
    runs = [run.digits for text in said.caller for run in number_runs(text, said.language)]
    return any(one + other == wanted for one, other in pairwise(runs))


def _quantity(value: object, said: Said) -> bool:
    return any(value in quantities(text, said.language) for text in said.caller)


def _size_part(part: str) -> Callable[[object, Said], bool]:
    def supported(value: object, said: Said) -> bool:
        for text in said.caller:
            if any(getattr(size, part) == value for size in tyre_sizes(text, said.language)):
                return True
            pieces = partial_size(text, said.language)
            if pieces is not None and part != "diameter" and value == pieces[part == "profile"]:
                return True
            if any(run.digits == str(value) for run in number_runs(text, said.language)):
                return True
        return False

    return supported


def _code(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _product(value: object, said: Said) -> bool:
    wanted = _code(str(value))
    if not wanted:
        return False
    for text in said.caller:
        if any(_code(code) == wanted for code in product_codes(text, said.language)):
            return True
        prefix = said.product_prefix.upper()
        bare = wanted[len(prefix) :] if prefix and wanted.startswith(prefix) else ""
        if bare and any(run.digits == bare for run in number_runs(text, said.language)):
            return True
    return any(_code(code) == wanted for text in said.offered for code in product_codes(text, said.language)) or any(
        re.search(rf"\"id\":\s*\"{re.escape(str(value))}\"", text) for text in said.offered
    )


_CHECKS: Mapping[Evidence, Callable[[object, Said], bool]] = {
    Evidence.NONE: lambda _value, _said: True,
    Evidence.WORDS: _words,
    Evidence.SEASON: _season,
    Evidence.DIGITS: _digits,
    Evidence.QUANTITY: _quantity,
    Evidence.WIDTH: _size_part("width"),
    Evidence.PROFILE: _size_part("profile"),
    Evidence.DIAMETER: _size_part("diameter"),
    Evidence.PRODUCT: _product,
}


def grounded(value: object, evidence: Evidence, said: Said) -> bool:
    """Whether ``said`` holds the evidence for ``value``."""
    return _CHECKS[evidence](value, said)


_ASSENT = re.compile(
    r"\b(?:yes|yeah|yep|yup|yah|sure|correct|right|exactly|okay|ok|please do|go ahead|of course|confirm(?:ed)?|"
    r"absolutely|definitely|that's it|that is it|sounds good|do it|fine|perfect|certainly|agreed|i do|why not)\b",
    re.IGNORECASE,
)
_DISSENT = re.compile(
    r"\b(?:no|nope|nah|not|don't|do not|wrong|incorrect|cancel|never mind|wait|stop|hold on|later)\b", re.IGNORECASE
)


def is_assent(text: str) -> bool:
    """A clear yes, and nothing in it that takes it back."""
    return bool(_ASSENT.search(text)) and not is_dissent(text)


def is_dissent(text: str) -> bool:
    """A no. "No problem" and "why not" are none."""
    plain = re.sub(r"\b(?:no problem|no worries|why not|not bad)\b", " ", text, flags=re.IGNORECASE)
    return bool(_DISSENT.search(plain))
