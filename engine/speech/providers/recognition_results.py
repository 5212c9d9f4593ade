"""What a recognition session has to say, on its way to whoever reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from engine.errors import RecognitionError
from engine.speech.ports import Transcript

UNREAD_RESULTS: Final = 64
"""Results that nobody takes, at most."""


class RecognitionResults:
    """Results of one session, bounded: a partial that finds no room is dropped, an answer breaks the session."""

    def __init__(self) -> None:
        # One place for the word that ends it.
        self._queue: asyncio.Queue[Transcript | None] = asyncio.Queue(UNREAD_RESULTS + 1)
        self._failure: RecognitionError | None = None
        self._closed = False

    @property
    def over(self) -> bool:
        """Closed or failed."""
        return self._closed or self._failure is not None

    def tell(self, transcript: Transcript) -> None:
        if self.over:
            return
        if self._queue.qsize() < UNREAD_RESULTS:
            self._queue.put_nowait(transcript)
        elif transcript.flush:
            self.fail(RecognitionError("nobody reads the results"))

    def fail(self, error: RecognitionError) -> None:
        """The session is broken; ``read`` and ``check`` raise ``error``."""
        if not self.over:
            self._failure = error
            self._queue.put_nowait(None)

    def close(self) -> None:
        """The session is over; idempotent."""
        if not self._closed:
            if self._failure is None:
                self._queue.put_nowait(None)
            self._closed = True

    def check(self) -> None:
        """Raises RecognitionError where the session is broken or over."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise RecognitionError("the session is closed")

    async def read(self) -> AsyncIterator[Transcript]:
        """Until the session is closed. Raises RecognitionError when it is broken."""
        while not (self.over and self._queue.empty()):
            result = await self._queue.get()
            if result is not None:
                yield result
        if self._failure is not None:
            raise self._failure
