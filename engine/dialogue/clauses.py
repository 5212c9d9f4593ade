"""Cuts a stream of text into pieces that can be spoken one after another.

The first piece shall come early, because the caller waits for it; later ones may be whole sentences, because there is
speech to listen to meanwhile and a voice sounds best with whole sentences.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*\s")
_CLAUSE_END = re.compile(r"[,;:–—.!?…]+[\"')\]]*\s")
_MOST_CHARACTERS = 220


class ClauseSplitter:
    """Fed with fragments, gives pieces."""

    def __init__(self, first_words: int) -> None:
        """``first_words``: words after which the first piece is given even where no clause ends."""
        self._first_words = first_words
        self._pending = ""
        self._given = 0

    def feed(self, fragment: str) -> list[str]:
        """The pieces that ``fragment`` completes."""
        self._pending += fragment
        pieces = []
        while (end := self._cut()) is not None:
            piece = self._pending[:end].strip()
            self._pending = self._pending[end:]
            if piece:
                self._given += 1
                pieces.append(piece)
        return pieces

    def flush(self) -> list[str]:
        """What is left, when the stream has ended."""
        piece, self._pending = self._pending.strip(), ""
        return [piece] if piece else []

    def _cut(self) -> int | None:
        text = self._pending
        if self._given:
            match = _SENTENCE_END.search(text)
            if match is None and len(text) > _MOST_CHARACTERS:
                match = _last(_CLAUSE_END, text) or _last(re.compile(r"\s"), text)
            return None if match is None else match.end()
        for match in _CLAUSE_END.finditer(text):
            if len(text[: match.end()].split()) >= 2:
                return match.end()
        words = list(re.finditer(r"\S+\s", text))
        if len(words) >= self._first_words:
            return words[self._first_words - 1].end()
        return None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found
