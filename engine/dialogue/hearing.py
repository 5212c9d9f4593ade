"""The recogniser as one call uses it: one session for the whole call, renewed when it breaks, nothing said twice.

The audio of the unfinished utterance is kept. Whatever happens to a session, the next one is brought to the same state
(begin, all audio so far, the question that is still open), so a lost replica costs time and no word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.errors import LeaseError, RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SpeechRecognizer, Transcript

BATCH_BYTES = 640
"""Audio that is sent at once: 40 ms."""

LONGEST_UTTERANCE = 60 * SAMPLE_RATE * SAMPLE_BYTES
"""An utterance is cut off after a minute; what was recognised of it counts."""

RETRY_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)

logger = logging.getLogger(__name__)


class Hearing:
    """One call's ear. ``start`` it, ``close`` it; between the two nothing here raises but ``text``."""

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        options: RecognitionOptions,
        *,
        timeout: float,
        on_partial: Callable[[Transcript], None],
    ) -> None:
        """``timeout``: seconds that ``text`` waits for an answer."""
        self._recognizer = recognizer
        self._options = options
        self._timeout = timeout
        self._on_partial = on_partial
        self._utterance = 0
        self._open = False
        self._audio = bytearray()
        self._flush = 0
        self._answers: dict[int, asyncio.Future[Transcript]] = {}
        self._wake = asyncio.Event()
        self._unsent = 0
        self._task: asyncio.Task[None] | None = None
        self._answered = False
        self.renewed = 0
        """Sessions that had to be opened anew."""

    def start(self, delay: float = 0.0) -> None:
        """Open the session in the background, ``delay`` seconds from now; what is said before that is kept for it."""
        self._task = asyncio.create_task(self._serve(delay), name="hearing")

    async def close(self) -> None:
        """Give the session up; idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._forget()

    def begin(self, audio: bytes) -> None:
        """A new utterance, with what was heard of it so far."""
        self._forget()
        self._utterance += 1
        self._open = True
        self._audio = bytearray(audio)
        self._flush = 0
        self._wake.set()

    def hear(self, pcm: bytes) -> None:
        """More of the open utterance."""
        if not self._open or len(self._audio) > LONGEST_UTTERANCE:
            return
        self._audio += pcm
        self._unsent += len(pcm)
        if self._unsent >= BATCH_BYTES:
            self._wake.set()

    async def text(self) -> Transcript:
        """The text of all that was heard of the open utterance.

        Raises RecognitionError when no recogniser answers within the time limit.
        """
        self._flush += 1
        flush = self._flush
        answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._answers[flush] = answer
        self._wake.set()
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            raise RecognitionError(f"no text after {self._timeout:g} s") from None
        finally:
            self._answers.pop(flush, None)

    def end(self) -> None:
        """The utterance is over."""
        self._open = False
        self._forget()
        self._wake.set()

    def _forget(self) -> None:
        for answer in self._answers.values():
            answer.cancel()
        self._answers.clear()

    async def _serve(self, delay: float) -> None:
        failures = 0
        await asyncio.sleep(delay)
        while True:
            try:
                async with self._recognizer.open(self._options) as session:
                    await self._converse(session)
            except (RecognitionError, LeaseError) as error:
                logger.warning("recogniser lost: %s", error)
            self.renewed += 1
            delay = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
            failures += 1
            if self._answered:
                failures, self._answered = 0, False
            await asyncio.sleep(delay)

    async def _converse(self, session: RecognitionSession) -> None:
        """Keep ``session`` at the state of this call until it breaks."""
        reader = asyncio.create_task(self._read(session), name="hearing-results")
        try:
            sender = asyncio.create_task(self._send(session), name="hearing-audio")
            try:
                done, _ = await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                raise RecognitionError("the recogniser ended the session")
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _send(self, session: RecognitionSession) -> None:
        begun, sent, asked = 0, 0, 0
        if self._open:
            self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._unsent = 0
            if begun != self._utterance or not self._open:
                if begun:
                    await session.end()
                begun, sent, asked = 0, 0, 0
                if not self._open:
                    continue
                begun = self._utterance
                await session.begin(begun)
            if begun == self._utterance and sent < len(self._audio):
                piece = bytes(self._audio[sent:])
                sent += len(piece)
                await session.audio(piece)
            if begun == self._utterance and asked < self._flush and self._answers:
                asked = self._flush
                await session.flush(asked)

    async def _read(self, session: RecognitionSession) -> None:
        async for transcript in session.results():
            self._answered = True
            if transcript.utterance != self._utterance or not self._open:
                continue
            if transcript.flush == 0:
                self._on_partial(transcript)
                continue
            for flush, answer in list(self._answers.items()):
                if flush <= transcript.flush and not answer.done():
                    answer.set_result(transcript)
