"""Utterance sessions for a recogniser that decodes whole pieces of audio, and the queue its workers serve.

An answer to ``flush`` holds up a caller, a partial does not: flushes go first. A session has at most one partial under
way, which takes the audio as it stands when its turn comes, so that a worker that is behind does fewer of them instead
of older ones; a flush that finds every worker busy stops a partial. All state belongs to the event loop; only the
decoding itself runs in threads.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE, seconds_of
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, Transcript

log = logging.getLogger(__name__)

PARTIAL_SECONDS: Final = 0.5
"""New audio between two partials, at least."""

PARTIAL_SHARE: Final = 5
"""… and so many times the work of the last decoding: one long utterance takes a fifth of a worker at most."""

PIECE_SECONDS: Final = 16.0
"""An utterance longer than this is cut at its quietest place; the text of the first part is settled and its audio let
go, so that neither memory nor work grows with the utterance."""

UNDECODED_SECONDS: Final = 60.0
"""More audio than this waiting to be decoded: the workers are lost, the session fails."""

OPEN_FLUSHES: Final = 16
"""Flushes of one session without an answer, at most."""

UNREAD_RESULTS: Final = 64
"""Results that nobody takes, at most."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was recognised in a piece of audio."""

    text: str
    confidence: float | None
    """0..1"""


Stop = Callable[[], bool]
"""Whether the answer is no longer wanted."""

Decode = Callable[[bytes, RecognitionOptions, Stop], Decoded | None]
"""Engine audio to text; runs in a worker thread, asks ``Stop`` now and then and returns None when told to."""


@dataclass(slots=True, eq=False)
class _Utterance:
    number: int
    audio: bytearray = field(default_factory=bytearray)
    """From ``settled_bytes`` on."""
    settled_bytes: int = 0
    settled: tuple[tuple[Decoded, float], ...] = ()
    """Texts whose audio was let go, with their seconds."""
    given_up: bool = False
    ended: bool = False
    flushes: int = 0
    """Without an answer yet."""
    partial_after: int = 0
    """Bytes of audio from which on the next partial is wanted."""
    partial_pending: bool = False

    @property
    def length(self) -> int:
        return self.settled_bytes + len(self.audio)


@dataclass(slots=True, eq=False)
class _Job:
    session: QueuedSession
    utterance: _Utterance
    flush: int
    """0 for a partial."""
    length: int
    """Bytes of the utterance to decode; for a partial taken anew when it starts."""
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class _Outcome:
    pieces: tuple[tuple[Decoded, float], ...]
    """Texts in order, each with the seconds of its audio; the last is the one still open."""
    cut_bytes: int
    """Bytes of all pieces but the last."""
    seconds: float


class DecodeQueue:
    """Workers that decode for all sessions of a provider."""

    def __init__(self, decode: Decode, *, workers: int = 1) -> None:
        self._decode = decode
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="recognise")
        self._waiting: list[tuple[int, int, _Job]] = []
        self._order = itertools.count()
        self._running: dict[asyncio.Task[None], _Job] = {}
        self._sessions: set[QueuedSession] = set()
        self._closed = False

    def session(self, options: RecognitionOptions) -> QueuedSession:
        """A session; ``close`` it. Raises RecognitionError when the queue is closed."""
        if self._closed:
            raise RecognitionError("the recogniser is closed")
        session = QueuedSession(self, options)
        self._sessions.add(session)
        return session

    async def decode(self, pcm: bytes) -> Decoded:
        """Decode once, past the queue. Raises RecognitionError."""
        try:
            outcome = await self._in_thread(pcm, RecognitionOptions(call_id=""), lambda: self._closed)
        except Exception as error:
            raise RecognitionError(f"recognition failed: {error}") from error
        if outcome is None:
            raise RecognitionError("the recogniser was closed")
        return _joined(outcome.pieces)

    async def close(self) -> None:
        """Fail what is open and let the workers go; waits for the decoding under way."""
        self._closed = True
        for session in tuple(self._sessions):
            session.fail("the recogniser was closed")
        self._waiting.clear()
        for job in self._running.values():
            job.stopped = True
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=10)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def put(self, job: _Job) -> None:
        heapq.heappush(self._waiting, (0 if job.flush else 1, next(self._order), job))
        if job.flush and len(self._running) >= self._workers:
            running = [other for other in self._running.values() if not other.flush and not other.stopped]
            if running:
                running[0].stopped = True
        self._serve()

    def forget(self, session: QueuedSession) -> None:
        self._sessions.discard(session)

    def _serve(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            _, _, job = heapq.heappop(self._waiting)
            if not job.session.wants(job):
                continue
            task = asyncio.get_running_loop().create_task(self._run(job))
            self._running[task] = job
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        if not self._closed:
            self._serve()

    async def _run(self, job: _Job) -> None:
        utterance = job.utterance
        if not job.flush:
            job.length = utterance.length
        settled = utterance.settled
        start = utterance.settled_bytes
        audio = bytes(memoryview(utterance.audio)[: max(0, job.length - start)])
        try:
            outcome = await self._in_thread(audio, job.session.options, lambda: job.stopped)
        except Exception as error:
            log.exception("recognition failed")
            job.session.fail(f"recognition failed: {error}")
            return
        if outcome is None:
            utterance.partial_pending = False
            return
        if outcome.cut_bytes and utterance.settled_bytes == start:
            utterance.settled = settled + outcome.pieces[:-1]
            utterance.settled_bytes += outcome.cut_bytes
            del utterance.audio[: outcome.cut_bytes]
        job.session.answer(job, _joined(settled + outcome.pieces), outcome.seconds)

    async def _in_thread(self, pcm: bytes, options: RecognitionOptions, stop: Stop) -> _Outcome | None:
        def decode(piece: bytes) -> Decoded | None:
            return self._decode(piece, options, stop)

        return await asyncio.get_running_loop().run_in_executor(self._threads, _decode_pieces, decode, pcm)


class QueuedSession:
    """One call's utterances (``RecognitionSession``)."""

    def __init__(self, queue: DecodeQueue, options: RecognitionOptions) -> None:
        self._queue = queue
        self.options = options
        self._open: _Utterance | None = None
        self._flushes = 0
        self._results: asyncio.Queue[Transcript | RecognitionError | None] = asyncio.Queue()
        self._failure: RecognitionError | None = None
        self._closed = False

    async def begin(self, utterance: int) -> None:
        self._check()
        if self._open is not None:
            self._open.given_up = True
        self._open = _Utterance(utterance, partial_after=_bytes_of(PARTIAL_SECONDS))

    async def audio(self, pcm: bytes) -> None:
        utterance = self._current()
        utterance.audio += pcm
        if seconds_of(len(utterance.audio)) > UNDECODED_SECONDS:
            self.fail(f"{UNDECODED_SECONDS:.0f} s of audio wait to be recognised")
            self._check()
        if utterance.partial_pending or utterance.length < utterance.partial_after:
            return
        if self.options.partials or seconds_of(len(utterance.audio)) > PIECE_SECONDS:
            utterance.partial_pending = True
            self._queue.put(_Job(self, utterance, flush=0, length=0))

    async def flush(self, flush: int) -> None:
        utterance = self._current()
        if self._flushes >= OPEN_FLUSHES:
            self.fail(f"{OPEN_FLUSHES} flushes wait for an answer")
            self._check()
        self._flushes += 1
        utterance.flushes += 1
        self._queue.put(_Job(self, utterance, flush=flush, length=utterance.length))

    async def end(self) -> None:
        self._check()
        if self._open is not None:
            self._open.ended = True
            self._open = None

    async def results(self) -> AsyncIterator[Transcript]:
        while True:
            if self._failure is not None and self._results.empty():
                raise self._failure
            if self._closed and self._results.empty():
                return
            result = await self._results.get()
            if isinstance(result, Transcript):
                yield result

    def wants(self, job: _Job) -> bool:
        """Whether the job is still worth a worker's time."""
        utterance = job.utterance
        if self._closed or self._failure is not None:
            return False
        if job.flush:
            if utterance.given_up:
                self._flushes -= 1
            return not utterance.given_up
        if utterance.given_up or utterance.ended or utterance.flushes or utterance.length < utterance.partial_after:
            utterance.partial_pending = False
            return False
        return True

    def answer(self, job: _Job, decoded: Decoded, seconds: float) -> None:
        utterance = job.utterance
        pause = max(PARTIAL_SECONDS, PARTIAL_SHARE * seconds)
        utterance.partial_after = max(utterance.partial_after, job.length + _bytes_of(pause))
        if job.flush:
            self._flushes -= 1
            utterance.flushes -= 1
        else:
            utterance.partial_pending = False
        if self._closed or self._failure is not None or utterance.given_up:
            return
        if not job.flush and (utterance.ended or not self.options.partials or not decoded.text):
            return
        if self._results.qsize() >= UNREAD_RESULTS:
            if job.flush:
                self.fail("nobody reads the results")
            return
        self._results.put_nowait(
            Transcript(
                utterance=utterance.number,
                text=decoded.text,
                flush=job.flush,
                confidence=decoded.confidence,
                seconds=seconds,
            )
        )

    def fail(self, reason: str) -> None:
        """Break the session."""
        if self._failure is None and not self._closed:
            self._failure = RecognitionError(reason)
            self._results.put_nowait(self._failure)

    def close(self) -> None:
        """The call is over; ``results`` ends."""
        if not self._closed:
            self._closed = True
            self._results.put_nowait(None)
            self._queue.forget(self)

    def _check(self) -> None:
        if self._failure is not None:
            raise RecognitionError(str(self._failure))
        if self._closed:
            raise RecognitionError("the session is closed")

    def _current(self) -> _Utterance:
        self._check()
        if self._open is None:
            raise RecognitionError("no utterance is open")
        return self._open


def _bytes_of(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE) * SAMPLE_BYTES


def _joined(pieces: tuple[tuple[Decoded, float], ...]) -> Decoded:
    text = " ".join(decoded.text for decoded, _ in pieces if decoded.text)
    known = [(decoded.confidence, seconds) for decoded, seconds in pieces if decoded.confidence is not None]
    total = sum(seconds for _, seconds in known)
    return Decoded(text, sum(value * seconds for value, seconds in known) / total if total else None)


def _decode_pieces(decode: Callable[[bytes], Decoded | None], pcm: bytes) -> _Outcome | None:
    """In a worker: decode, in pieces where it is long. None when stopped."""
    began = time.perf_counter()
    pieces: list[tuple[Decoded, float]] = []
    cut = 0
    while True:
        remaining = len(pcm) - cut
        end = len(pcm)
        if seconds_of(remaining) > PIECE_SECONDS:
            end = cut + _quietest(pcm[cut : cut + _bytes_of(PIECE_SECONDS)])
        decoded = decode(pcm[cut:end]) if remaining else Decoded("", None)
        if decoded is None:
            return None
        pieces.append((decoded, seconds_of(end - cut)))
        if end == len(pcm):
            return _Outcome(tuple(pieces), cut, time.perf_counter() - began)
        cut = end


def _quietest(pcm: bytes) -> int:
    """Bytes up to the middle of the quietest fifth of a second in the second half of ``pcm``, its last second apart."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    block = SAMPLE_RATE // 50
    energy = np.square(samples[: len(samples) // block * block]).reshape(-1, block).sum(axis=1)
    smooth = np.convolve(energy, np.ones(10), "valid")
    first = len(smooth) // 2
    middle = first + int(smooth[first : len(smooth) - 50].argmin()) + 5
    return middle * block * SAMPLE_BYTES
