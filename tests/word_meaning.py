"""A stand-in for the embedding model: sentences with the same words lie together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.knowledge.meaning import DIMENSIONS, Meaning
from engine.knowledge.words import content_stems

if TYPE_CHECKING:
    from engine.knowledge.meaning import Matrix


class WordMeaning(Meaning):
    """Loads nothing; remembers what it was given to embed."""

    def __init__(self, model: str = "words 1") -> None:
        super().__init__()
        self.model = model
        self.embedded: list[str] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def passages(self, texts: Sequence[str]) -> Matrix:
        self.embedded += texts
        return self._vectors(texts)

    async def questions(self, texts: Sequence[str]) -> Matrix:
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for stem in content_stems(text):
                row[sum(stem.encode()) * 31 % DIMENSIONS] += 1.0
            row[0] += 0.1
        unit: Matrix = rows / np.linalg.norm(rows, axis=1, keepdims=True) if len(rows) else rows
        return unit
