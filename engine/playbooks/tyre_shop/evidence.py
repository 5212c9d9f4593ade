"""What must support a value that only the tyre shop's tools take: parts of a size, a season, how many tyres."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final

from engine.agent.grounding import OwnEvidence
from engine.agent.numbers import number_runs
from engine.agent.quantities import Goods, quantities
from engine.agent.said import Said
from engine.playbooks.tyre_shop.sizes import begins_with_size, partial_size, tyre_sizes

SEASON_WORDS: Mapping[str, re.Pattern[str]] = {
    "all_season": re.compile(
        r"\ball?[\s-]*(?:season|weather|year|round)s?\b|\bfour[\s-]*seasons?\b|\ball[\s-]+year\b|\byear[\s-]*round\b",
        re.IGNORECASE,
    ),
    "winter": re.compile(r"\bwinters?\b|\bwinter's\b|\bsnow\b|\bstudd?ed\b|\bice\b|\bwinder\b", re.IGNORECASE),
    "summer": re.compile(r"\bsummers?\b|\bsummer's\b|\bsome are\b|\bsumm?er\b", re.IGNORECASE),
}

TYRES: Final = Goods(
    noun="tyre|tire",
    nouns="tyres?|tires?",
    kinds="winter|summer|season|michelin",
    measured=lambda text, language: bool(tyre_sizes(text, language)),
    measure=begins_with_size,
)


def tyres_wanted(text: str, language: str = "en", prefix: str = "") -> list[int]:
    """How many tyres, as ``quantities`` tells it; ``prefix`` is that of the shop's product codes."""
    return quantities(text, language, replace(TYRES, product_prefix=prefix))


def _season(value: object, said: Said) -> bool:
    return any(value in _seasons(text, said) for text in said.caller)


def _seasons(text: str, _said: Said) -> Collection[object]:
    return [name for name, pattern in SEASON_WORDS.items() if pattern.search(text)]


def _count(value: object, said: Said) -> bool:
    return any(value in _counts(text, said) for text in said.caller)


def _counts(text: str, said: Said) -> Collection[object]:
    return tyres_wanted(text, said.language, said.product_prefix)


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


WIDTH: Final = OwnEvidence(_size_part("width"))
PROFILE: Final = OwnEvidence(_size_part("profile"))
DIAMETER: Final = OwnEvidence(_size_part("diameter"))
SEASON: Final = OwnEvidence(_season, _seasons)
COUNT: Final = OwnEvidence(_count, _counts)
