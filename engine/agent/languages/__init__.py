"""The words of each language that is understood over the telephone, one table a language."""

from __future__ import annotations

from engine.agent.languages.english import ENGLISH
from engine.agent.languages.russian import RUSSIAN
from engine.agent.languages.tables import Language
from engine.agent.languages.ukrainian import UKRAINIAN

__all__ = ["ENGLISH", "LANGUAGES", "RUSSIAN", "UKRAINIAN", "Language", "language_of", "understood"]

LANGUAGES: dict[str, Language] = {language.code: language for language in (ENGLISH, RUSSIAN, UKRAINIAN)}


def understood(tag: str) -> Language | None:
    """The tables of a BCP 47 tag ("en-GB" → English), None where there are none yet."""
    return LANGUAGES.get(tag.split("-", maxsplit=1)[0].lower())


def language_of(tag: str) -> Language:
    """As ``understood``; English where there is no table: its digits are everybody's."""
    return understood(tag) or ENGLISH
