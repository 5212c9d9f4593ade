"""Recognition by OpenAI's API (``/audio/transcriptions``): an utterance at a time, as our voice activity cuts it.

The API takes whole recordings, so each flush sends the utterance from its beginning. What is heard while nothing was
added is not asked for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import openai

from engine.audio.format import seconds_of
from engine.audio.wav import encode_wav
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, Transcript
from engine.speech.providers.audible import is_audible
from engine.speech.providers.openai_speech import CLIENT_ERRORS, check, speech_client, told
from engine.speech.providers.recognition_results import RecognitionResults

ANSWER_SECONDS: Final = 10.0
"""Longest wait for an answer."""

LONGEST_UTTERANCE: Final = 90.0
"""Seconds; a call cuts its utterances off long before."""

OPEN_FLUSHES: Final = 8
"""Flushes of one session without an answer, at most."""

LONGEST_PROMPT: Final = 600
"""Characters of hints: Whisper reads no more than 224 tokens."""


class OpenAiRecognizer:
    """Port SpeechRecognizer.

    ``partial_seconds`` of new speech are a reason to ask for the text so far, where a call wants partials; 0: never.
    """

    def __init__(self, *, url: str, key: str, model: str, partial_seconds: float = 0.0) -> None:
        self._url = url
        self._key = key
        self._model = model
        self.partial_seconds = partial_seconds
        self._client: openai.AsyncOpenAI | None = None

    async def start(self) -> None:
        if self._client is None:
            self._client = speech_client(self._url, self._key, answer_seconds=ANSWER_SECONDS)

    async def check_health(self) -> None:
        await check(self._started(), RecognitionError)

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        self._started()
        session = OpenAiRecognition(self, options)
        try:
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def transcribe(self, pcm: bytes, options: RecognitionOptions) -> str:
        """The text of an utterance as engine audio. Raises RecognitionError."""
        if not is_audible(pcm):
            return ""
        try:
            answer = await self._started().audio.transcriptions.create(
                file=("utterance.wav", encode_wav(pcm), "audio/wav"),
                model=self._model,
                language=options.language.partition("-")[0].lower(),
                prompt=", ".join(options.hints)[:LONGEST_PROMPT] or openai.omit,
                response_format="json",
                temperature=0,
            )
        except CLIENT_ERRORS as error:
            raise told(RecognitionError, error) from error
        text = getattr(answer, "text", None)
        if not isinstance(text, str):
            raise RecognitionError("speech by OpenAI's API: the answer holds no text")
        return text.strip()

    def _started(self) -> openai.AsyncOpenAI:
        if self._client is None:
            raise RecognitionError("the recogniser is not started")
        return self._client


class OpenAiRecognition:
    """Port RecognitionSession."""

    def __init__(self, recognizer: OpenAiRecognizer, options: RecognitionOptions) -> None:
        self._recognizer = recognizer
        self._options = options
        self._results = RecognitionResults()
        self._audio = bytearray()
        self._utterance = 0
        self._open = False
        self._last: tuple[int, asyncio.Task[str]] | None = None
        """The request made last, and the bytes it holds."""
        self._answers: list[asyncio.Task[None]] = []
        self._partial: asyncio.Task[None] | None = None
        self._heard_bytes = 0

    async def begin(self, utterance: int) -> None:
        self._results.check()
        if self._open:
            await self._give_up()
        self._utterance, self._open = utterance, True
        self._audio = bytearray()
        self._last, self._heard_bytes = None, 0

    async def audio(self, pcm: bytes) -> None:
        self._check_open()
        self._audio += pcm
        if seconds_of(len(self._audio)) > LONGEST_UTTERANCE:
            self._results.fail(RecognitionError(f"an utterance of more than {LONGEST_UTTERANCE:.0f} s"))
            self._results.check()
        every = self._recognizer.partial_seconds if self._options.partials else 0.0
        if every and self._partial is None and seconds_of(len(self._audio) - self._heard_bytes) >= every:
            self._heard_bytes = len(self._audio)
            self._partial = asyncio.create_task(self._tell_partial(self._utterance), name="openai-partial")

    async def flush(self, flush: int) -> None:
        self._check_open()
        if len(self._answers) >= OPEN_FLUSHES:
            self._results.fail(RecognitionError(f"{OPEN_FLUSHES} flushes wait for an answer"))
            self._results.check()
        self._heard_bytes = len(self._audio)
        before = self._answers[-1] if self._answers else None
        answer = asyncio.create_task(self._answer(self._utterance, flush, self._text(), before), name="openai-answer")
        self._answers.append(answer)
        answer.add_done_callback(self._answers.remove)

    async def end(self) -> None:
        self._results.check()
        self._open = False
        await self._stop_partial()

    def results(self) -> AsyncIterator[Transcript]:
        return self._results.read()

    async def close(self) -> None:
        """The call is over; ``results`` ends."""
        self._results.close()
        await self._give_up()

    def _check_open(self) -> None:
        self._results.check()
        if not self._open:
            raise RecognitionError("no utterance is open")

    def _text(self) -> asyncio.Task[str]:
        """The text of the utterance as it stands."""
        if self._last is not None and self._last[0] == len(self._audio):
            return self._last[1]
        asking = self._recognizer.transcribe(bytes(self._audio), self._options)
        self._last = len(self._audio), asyncio.create_task(asking, name="openai-transcription")
        return self._last[1]

    async def _answer(
        self, utterance: int, flush: int, text: asyncio.Task[str], before: asyncio.Task[None] | None
    ) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            heard = await text
            if before is not None:
                await asyncio.wait((before,))
        except RecognitionError as error:
            self._results.fail(error)
            return
        except asyncio.CancelledError:
            text.cancel()
            raise
        self._results.tell(Transcript(utterance, heard, flush, None, max(loop.time() - asked, 1e-6)))

    async def _tell_partial(self, utterance: int) -> None:
        try:
            text = await self._recognizer.transcribe(bytes(self._audio), self._options)
            if text and self._open and self._utterance == utterance:
                self._results.tell(Transcript(utterance, text))
        except RecognitionError as error:
            self._results.fail(error)
        finally:
            self._partial = None

    async def _stop_partial(self) -> None:
        partial = self._partial
        if partial is not None:
            partial.cancel()
            await asyncio.gather(partial, return_exceptions=True)

    async def _give_up(self) -> None:
        await self._stop_partial()
        tasks: list[asyncio.Task[None] | asyncio.Task[str]] = list(self._answers)
        if self._last is not None:
            tasks.append(self._last[1])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
