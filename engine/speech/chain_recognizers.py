"""A chain of recognisers: where one breaks, the open utterance is played to the next, and nobody repeats himself.

Each utterance begins with the first recogniser whose breaker lets it, so that a call comes back to the better one as
soon as it is well again. Breakers count utterances: an answer is a success, a break or an answer that does not come is
a failure; an utterance that nobody asked about, and a call that ends, tell nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from engine.audio.format import seconds_of
from engine.errors import BreakerOpen, LeaseError, RecognitionError
from engine.speech.chain import Failures, Member, check_all, close_all, start_all
from engine.speech.ports import RecognitionOptions, RecognitionSession, SpeechRecognizer, Transcript
from engine.speech.providers.recognition_results import RecognitionResults

LONGEST_UTTERANCE: Final = 90.0
"""Seconds of audio that are kept for the next of the chain; a call cuts its utterances off long before."""

OPEN_FLUSHES: Final = 16
"""Flushes of one session without an answer, at most."""

CLOSE_SECONDS: Final = 2.0
"""What a member's session may take to close; then it is cancelled."""

HEED_SECONDS: Final = 1.0
"""What it may take to heed that; then it is let go."""

logger = logging.getLogger(__name__)


class RecognizerChain:
    """Port SpeechRecognizer.

    ``answer_seconds`` is what one member has for an utterance that was asked about, a session to open included. No
    other call to it may take longer either.
    """

    def __init__(self, members: Sequence[Member[SpeechRecognizer]], *, answer_seconds: float) -> None:
        if not members:
            raise ValueError("a chain has at least one member")
        self._members = tuple(members)
        self._answer_seconds = answer_seconds
        self._left: set[asyncio.Task[None]] = set()
        """Members' sessions that would not close."""

    async def start(self) -> None:
        await start_all(self._members)

    async def check_health(self) -> None:
        await check_all(self._members)

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        session = ChainRecognition(self._members, options, self._answer_seconds)
        session.start()
        try:
            yield session
        finally:
            for ear in await session.close():
                self._left.add(ear)
                ear.add_done_callback(self._left.discard)

    async def close(self) -> None:
        await close_all(self._members)


class ChainRecognition:
    """Port RecognitionSession. ``start`` it, ``close`` it."""

    def __init__(
        self, members: Sequence[Member[SpeechRecognizer]], options: RecognitionOptions, answer_seconds: float
    ) -> None:
        self._members = members
        self._options = options
        self._answer_seconds = answer_seconds
        self._results = RecognitionResults()
        self._ears: dict[str, _Ear] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._begun = 0
        """Utterances so far; their numbers are the caller's own."""
        self._utterance = 0
        self._open = False
        self._audio = bytearray()
        self._asked: dict[int, float] = {}
        """Flushes without an answer, and when they were asked."""
        self._answered = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._serve(), name="recognizer-chain")

    async def begin(self, utterance: int) -> None:
        self._results.check()
        self._begun += 1
        self._utterance, self._open, self._answered = utterance, True, False
        self._audio = bytearray()
        self._asked.clear()
        self._wake.set()

    async def audio(self, pcm: bytes) -> None:
        self._check_open()
        self._audio += pcm
        if seconds_of(len(self._audio)) > LONGEST_UTTERANCE:
            self._results.fail(RecognitionError(f"an utterance of more than {LONGEST_UTTERANCE:.0f} s"))
            self._results.check()
        self._wake.set()

    async def flush(self, flush: int) -> None:
        self._check_open()
        if len(self._asked) >= OPEN_FLUSHES:
            self._results.fail(RecognitionError(f"{OPEN_FLUSHES} flushes wait for an answer"))
            self._results.check()
        self._asked[flush] = asyncio.get_running_loop().time()
        self._wake.set()

    async def end(self) -> None:
        self._results.check()
        self._open = False
        self._asked.clear()
        self._wake.set()

    def results(self) -> AsyncIterator[Transcript]:
        return self._results.read()

    async def close(self) -> set[asyncio.Task[None]]:
        """The call is over; ``results`` ends. Returns what did not end in time and was let go."""
        self._results.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for name in list(self._ears):
            self._forget(name)
        if not self._leaving:
            return set()
        _, left = await asyncio.wait(self._leaving, timeout=CLOSE_SECONDS + HEED_SECONDS)
        if left:
            logger.warning("%d sessions of recognisers do not close and are left alone", len(left))
        return left

    def _check_open(self) -> None:
        self._results.check()
        if not self._open:
            raise RecognitionError("no utterance is open")

    async def _serve(self) -> None:
        try:
            while not self._results.over:
                await self._wake.wait()
                if self._open:
                    await self._utter()
                else:
                    self._wake.clear()
        except Exception as error:  # whatever it is, the call must hear of it
            logger.exception("a chain of recognisers failed")
            self._results.fail(RecognitionError(f"the chain failed: {type(error).__name__}"))

    async def _utter(self) -> None:
        """The open utterance, by one member after the other."""
        failures = Failures()
        number = self._begun
        for member in self._members:
            try:
                async with member.breaker.attempt():
                    await self._with(member, number)
            except _NothingTold:
                return
            except BreakerOpen as error:
                failures.add(member.name, error)
            except (RecognitionError, LeaseError) as error:
                logger.warning("%s does not recognise: %s", member.name, error)
                failures.add(member.name, error)
                self._forget(member.name)
            else:
                return
            if not self._is(number):
                return
        raised = RecognitionError(f"no recogniser answers ({failures.told()})")
        raised.retryable = failures.retryable
        self._results.fail(raised)

    async def _with(self, member: Member[SpeechRecognizer], number: int) -> None:
        """Utterance ``number`` to its end. Raises RecognitionError, or _NothingTold where it was not asked about."""
        began = asyncio.get_running_loop().time()
        ear = await self._ear(member, began)
        session, sent = ear.session, 0
        flushed: set[int] = set()
        await self._within(session.begin(self._utterance), began, "does not begin an utterance")
        while self._is(number):
            self._wake.clear()
            if ear.failure is not None:
                raise ear.failure
            if sent < len(self._audio):
                piece = bytes(memoryview(self._audio)[sent:])
                sent += len(piece)
                await self._within(session.audio(piece), began, "takes no audio")
            for flush in [flush for flush in self._asked if flush not in flushed]:
                flushed.add(flush)
                await self._within(session.flush(flush), began, "takes no question")
            if self._asked:
                await self._within(self._wake.wait(), began, "no text")
            else:
                await self._wake.wait()
        if not self._open:
            await self._within(session.end(), began, "does not end an utterance")
        if not self._answered_by(number):
            raise _NothingTold

    def _is(self, number: int) -> bool:
        return self._open and self._begun == number

    def _answered_by(self, number: int) -> bool:
        return self._answered and self._begun == number

    async def _within(self, call: Awaitable[object], began: float, failure: str) -> None:
        """Waits for a member that was given the utterance at ``began``, not longer than it may take.

        Raises RecognitionError with ``failure`` where its time is over.
        """
        limit = asyncio.get_running_loop().time() + self._answer_seconds
        if self._asked:
            # A member that took the utterance over has its own time from then on.
            limit = min(limit, max(min(self._asked.values()), began) + self._answer_seconds)
        try:
            async with asyncio.timeout_at(limit):
                await call
        except TimeoutError:
            raise RecognitionError(f"{failure} within {self._answer_seconds:g} s") from None

    async def _ear(self, member: Member[SpeechRecognizer], began: float) -> _Ear:
        ear = self._ears.get(member.name)
        if ear is not None and ear.failure is None:
            return ear
        self._forget(member.name)
        ear = self._ears[member.name] = _Ear(member, self._options, self._heard, self._wake)
        await self._within(ear.opened(), began, "no session")
        return ear

    def _forget(self, name: str) -> None:
        """Lets a member's session close by itself: whoever is asked next does not wait for that."""
        ear = self._ears.pop(name, None)
        if ear is not None:
            ear.leave()
            self._leaving.add(ear.task)
            ear.task.add_done_callback(self._leaving.discard)

    def _heard(self, transcript: Transcript) -> None:
        if transcript.utterance != self._utterance or not self._open:
            return
        if transcript.flush:
            if self._asked.pop(transcript.flush, None) is None:
                return  # another member has answered it
            self._answered = True
            self._wake.set()
        self._results.tell(transcript)


class _NothingTold(BaseException):
    """An utterance ended before its member was asked for a text or had the time to answer."""


class _Ear:
    """A member's session, open for the rest of the call, and the tasks that keep and read it."""

    session: RecognitionSession

    def __init__(
        self,
        member: Member[SpeechRecognizer],
        options: RecognitionOptions,
        heard: Callable[[Transcript], None],
        wake: asyncio.Event,
    ) -> None:
        self._name = member.name
        self._heard = heard
        self._wake = wake
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self.failure: RecognitionError | None = None
        self.task = asyncio.create_task(self._keep(member.provider, options), name="recognizer-chain-session")

    async def opened(self) -> None:
        """Until ``session`` is there. Raises what the member raises."""
        await self._opened

    def leave(self) -> None:
        """It is not needed any more; ``task`` ends when it is closed."""
        self._over.set()
        if self._reader is None:
            self.task.cancel()

    async def _keep(self, recognizer: SpeechRecognizer, options: RecognitionOptions) -> None:
        """One task opens and closes it, so that neither can keep who asks for it longer than he will wait."""
        stack = AsyncExitStack()
        try:
            self.session = await stack.enter_async_context(recognizer.open(options))
        except Exception as error:
            if not self._opened.done():
                self._opened.set_exception(error)
            return
        self._reader = asyncio.create_task(self._read(), name="recognizer-chain-results")
        if not self._opened.done():
            self._opened.set_result(None)
        try:
            await self._over.wait()
        finally:
            self._reader.cancel()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.gather(self._reader, return_exceptions=True)
                    await stack.aclose()
            except Exception as error:
                logger.warning("a session of %s did not close: %s", self._name, type(error).__name__)

    async def _read(self) -> None:
        try:
            async for transcript in self.session.results():
                self._heard(transcript)
            self.failure = RecognitionError("the session was ended")
        except RecognitionError as error:
            self.failure = error
        except LeaseError as error:
            self.failure = RecognitionError(str(error))
        except Exception as error:  # whatever it is, the chain must hear of it
            logger.exception("the results of %s cannot be read", self._name)
            self.failure = RecognitionError(f"its results cannot be read: {type(error).__name__}")
        finally:
            self._wake.set()
