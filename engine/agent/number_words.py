"""The words that numbers are made of, one table a language: see ``languages``."""

from __future__ import annotations

from engine.agent.languages import LANGUAGES as _LANGUAGES
from engine.agent.languages import understood
from engine.agent.languages.tables import NumberWords

__all__ = ["ENGLISH", "LANGUAGES", "NumberWords", "words_of"]

LANGUAGES: dict[str, NumberWords] = {code: language.numbers for code, language in _LANGUAGES.items()}
ENGLISH = LANGUAGES["en"]


def words_of(language: str) -> NumberWords | None:
    """The table of a BCP 47 tag ("en-GB" → English), None where there is none yet."""
    found = understood(language)
    return found.numbers if found is not None else None
