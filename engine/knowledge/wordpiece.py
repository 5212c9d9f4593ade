"""Splits English into the pieces of words that the English embedding model knows (WordPiece, lower case)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_LONGEST_WORD: Final = 100
"""Letters; longer words are unknown, as the model was trained."""
_CHUNK: Final = re.compile(r"[^\W_]+|[^\w\s]|_")
"""Words, and each other visible character for itself."""


class WordPieces:
    """Text → numbers of pieces."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """One piece a line of the model's vocabulary; pieces that continue a word begin with ``##``."""
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._begin, self._end, self._unknown = (self._numbers[name] for name in ("[CLS]", "[SEP]", "[UNK]"))

    def of(self, text: str, limit: int) -> list[int]:
        """The pieces of ``text`` between the marks of beginning and end, ``limit`` numbers at most."""
        plain = "".join(
            char
            for char in unicodedata.normalize("NFD", text.lower())
            if unicodedata.category(char) not in {"Mn", "Cc"}
        )
        pieces: list[int] = []
        for word in _CHUNK.findall(plain):
            pieces += self._split(word)
            if len(pieces) >= limit - 2:
                break
        return [self._begin, *pieces[: limit - 2], self._end]

    def _split(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._numbers.get(("##" if start else "") + word[start:end])
                if number is not None:
                    pieces.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return pieces
