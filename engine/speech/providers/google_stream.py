"""One streaming request to Google's recogniser: sends a stretch of an utterance, collects its texts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any, Final, Protocol

import grpc
import grpc.aio
from google.cloud.speech_v2.types import cloud_speech as speech
from google.protobuf.duration_pb2 import Duration

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.errors import RecognitionError
from engine.speech.cancelling import being_cancelled
from engine.speech.providers.google_access import LISTEN_SECONDS, told, unexplained

STREAM_SECONDS: Final = 290.0
"""Use of one stream; Google ends it after five minutes."""

PIECE_BYTES: Final = 1_600
"""Audio of one request: 100 ms, as Google advises."""

LONGEST_PIECE: Final = 14_400
"""Google's limit is 15 KB; what is played again goes in pieces of this size."""

SEND_SECONDS: Final = 5.0
"""A request that cannot be handed over for so long: the service does not listen any more."""

_ITS_TIME: Final = frozenset({grpc.StatusCode.ABORTED, grpc.StatusCode.OUT_OF_RANGE})
"""How Google ends a stream that is too old (both versions of the API) or that got no audio for a while."""

SERVICE: Final = "Google Speech-to-Text"

logger = logging.getLogger(__name__)


class Utterance(Protocol):
    """Whose audio is sent, and who wants to know what it says."""

    @property
    def length(self) -> int:
        """Bytes so far."""

    def audio_from(self, place: int, most: int) -> bytes:
        """At most ``most`` bytes from ``place`` on."""

    def heard(self, stream: GoogleStream) -> None:
        """More words."""

    def ended(self, stream: GoogleStream) -> None:
        """No more words; the utterance may need another stream."""

    def broke(self, stream: GoogleStream, error: RecognitionError) -> None:
        """It failed."""


class GoogleStream:
    """Sends the utterance from ``start`` on; ``run`` it, then ``more`` for each piece, ``close_at`` a place at last."""

    def __init__(
        self,
        utterance: Utterance,
        call: grpc.aio.StreamStreamCall[Any, Any],
        first: speech.StreamingRecognizeRequest,
        *,
        start: int,
        seconds: float,
        listen: bool = False,
    ) -> None:
        """``listen``: hear whether the stream is refused before audio is sent to it."""
        self._utterance = utterance
        self._call = call
        self._first = first
        self._start = start
        self._seconds = seconds
        self._listen = listen
        self._born = asyncio.get_running_loop().time()
        self._wake = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.sent = start
        """So many bytes of the utterance were sent."""
        self.finals: list[tuple[str, float]] = []
        """Final texts in order, with their confidence."""
        self.finals_end = 0
        """Where the last of them ends, in bytes of the utterance; 0 where Google did not say."""
        self.interim = ""
        """What it believes of the rest."""
        self.unexplained = False
        """It ended, and Google's reason was lost."""
        self.closing = False
        self.end = 0
        """Where it was closed, in bytes of the utterance."""

    def run(self) -> None:
        self._tasks = (
            asyncio.create_task(self._send(), name="google-recognition-audio"),
            asyncio.create_task(self._receive(), name="google-recognition-results"),
        )
        self._wake.set()

    def more(self) -> None:
        """The utterance has grown."""
        self._wake.set()

    def close_at(self, end: int) -> None:
        """Ask for the last words of the audio before ``end``."""
        self.closing, self.end = True, end
        self._wake.set()

    def age(self) -> float:
        """Seconds since it was made."""
        return asyncio.get_running_loop().time() - self._born

    async def stop(self) -> None:
        """Give it up; nobody is told."""
        self._call.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self) -> None:
        try:
            await self._write(self._first)
            if self._listen:
                await asyncio.sleep(LISTEN_SECONDS)
            while True:
                await self._wake.wait()
                self._wake.clear()
                until = self.end if self.closing else self._utterance.length
                while until - self.sent >= (1 if self.closing else PIECE_BYTES):
                    piece = self._utterance.audio_from(self.sent, min(LONGEST_PIECE, until - self.sent))
                    self.sent += len(piece)
                    await self._write(speech.StreamingRecognizeRequest(audio=piece))
                    until = self.end if self.closing else self._utterance.length
                if self.closing:
                    await self._call.done_writing()
                    return
                if self.age() >= self._seconds:
                    self._expire()
                    return
        except TimeoutError:
            self._utterance.broke(self, RecognitionError(f"{SERVICE}: it takes no more audio"))
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            return  # the reading side knows why
        except Exception as error:  # whatever it is, somebody waits for words
            self._break("cannot be sent to", error)

    async def _write(self, request: speech.StreamingRecognizeRequest) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._call.write(request)

    def _expire(self) -> None:
        """Its time is up before Google says so."""
        self._tasks[1].cancel()
        self._call.cancel()
        self._utterance.ended(self)

    async def _receive(self) -> None:
        try:
            await self._read()
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            self._break("was cut off", error)  # gRPC's word for a connection that was closed on our side
        except Exception as error:  # whatever it is, somebody waits for words
            self._break("sent what cannot be read", error)

    def _break(self, what: str, error: BaseException) -> None:
        """Tells of an error that nobody foresaw; its own text may repeat what was said, and is left out."""
        logger.error("a stream of the recogniser %s: %s", what, type(error).__name__)
        raised = RecognitionError(f"{SERVICE}: it {what} ({type(error).__name__})")
        raised.__cause__ = error
        self._utterance.broke(self, raised)

    async def _read(self) -> None:
        try:
            async for response in self._call:
                self._take(response)
        except grpc.aio.AioRpcError as error:
            self.unexplained = unexplained(error)
            if error.code() not in _ITS_TIME and not self.unexplained:
                self._utterance.broke(self, told(RecognitionError, SERVICE, error))
                return
            logger.info("a stream of the recogniser was ended by Google: %s", error.code().name)
            # What was not said yet is asked for on the next stream.
            self.closing = False
        else:
            if self.closing and self.sent < self.end:
                self.closing = False
        self._tasks[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._tasks[0]
        self._utterance.ended(self)

    def _take(self, response: speech.StreamingRecognizeResponse) -> None:
        interim = []
        for result in response.results:
            if not result.alternatives:
                continue
            best = result.alternatives[0]
            if result.is_final:
                samples = round(_seconds(result.result_end_offset) * SAMPLE_RATE)
                self.finals.append((best.transcript, best.confidence))
                self.finals_end = self._start + samples * SAMPLE_BYTES if samples else 0
                self.interim = ""
            else:
                interim.append(best.transcript)
        if interim:
            self.interim = "".join(interim)
        if response.results:
            self._utterance.heard(self)


def _seconds(offset: timedelta | Duration) -> float:
    """Proto-plus shows a duration as Python's own."""
    return offset.total_seconds() if isinstance(offset, timedelta) else offset.seconds + offset.nanos / 1e9
