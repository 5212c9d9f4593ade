"""Topics of shops and services: which ones a text is about, in the words of callers and businesses alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

_TABLE: Final = Path(__file__).with_name("topics.yaml")
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_KEY: Final = 3
"""Letters by which a word is looked up; shorter words must match exactly."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a table says of one topic; how words are written stands in ``topics.yaml``."""

    words: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    """How callers ask about it."""


Table = Mapping[str, Topic]
"""Name → topic."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Words in a row, each with whether it must match exactly."""

    topic: str
    words: tuple[tuple[str, bool], ...]

    def begins(self, said: list[str]) -> bool:
        """Whether ``said`` begins with it."""
        return len(said) >= len(self.words) and all(
            one == word if exact else one.startswith(word) for one, (word, exact) in zip(said, self.words, strict=False)
        )


class Topics:
    """Tables of topics, added up: a later one may add words and asks to a topic of an earlier one."""

    def __init__(self, *tables: Table) -> None:
        self.asks: dict[str, tuple[str, ...]] = {}
        """Topic → how callers ask about it."""
        self._by_key: dict[str, list[_Entry]] = {}
        for table in tables:
            for name, topic in table.items():
                self.asks[name] = self.asks.get(name, ()) + topic.asks
                for words in topic.words:
                    parts = tuple(
                        (part.lstrip("="), part.startswith("=") or len(part) <= _KEY) for part in words.split("_")
                    )
                    self._by_key.setdefault(parts[0][0][:_KEY], []).append(_Entry(name, parts))

    def of(self, text: str) -> frozenset[str]:
        """The topics that ``text`` touches."""
        said: list[str] = []
        for word in _WORD.findall(text.lower().replace("’", "'")):
            said += [word, *word.split("-")] if "-" in word else [word]
        return frozenset(
            entry.topic
            for start, word in enumerate(said)
            for entry in self._by_key.get(word[:_KEY], ())
            if entry.begins(said[start : start + len(entry.words)])
        )


@lru_cache(maxsize=1)
def delivered_topics() -> Table:
    """What every business shares: the table that comes with the engine, read once."""
    data = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return {name: Topic(tuple(entry["words"].split()), tuple(entry.get("asks", ()))) for name, entry in data.items()}
