"""Google Cloud's recogniser: version 2 of its API, streamed over gRPC while the caller speaks.

Google writes the last words of a stream down when the stream is closed, so a flush closes it; where the caller goes on,
a new one is opened. Nothing is streamed between utterances: silence is neither sent nor paid for.

Text that Google calls final while the stream runs is settled, and its audio let go. Whenever a stream has to follow
another (after a flush, before the limit of five minutes, after one that Google closed), all audio since the settled
text is played to it again, so no word is lost at a seam.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
from google.cloud.speech_v2.types import cloud_speech as speech

from engine.audio.format import SAMPLE_RATE, seconds_of
from engine.errors import ConfigurationError, RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession, Transcript
from engine.speech.providers.google_access import REACH_SECONDS, GoogleAccess, google_language, told
from engine.speech.providers.google_stream import STREAM_SECONDS, GoogleStream
from engine.speech.providers.recognition_results import RecognitionResults

SERVICE: Final = "Google Speech-to-Text"

RESUME_SECONDS: Final = 0.6
"""Audio after a flush that is waited for before a stream is opened anew: mostly it is the silence that ends a turn."""

UNSETTLED_SECONDS: Final = 90.0
"""More audio than this without a final text: the service is lost, the session fails."""

FRUITLESS_STREAMS: Final = 3
SHORT_SECONDS: Final = 5.0
"""So many streams in a row that Google ended so soon, without a final text, are one failure."""

OPEN_FLUSHES: Final = 16
"""Flushes of one session without an answer, at most."""

MOST_HINTS: Final = 500
LONGEST_HINT: Final = 100
"""Google's own limit, in characters."""

HINT_BOOST: Final = 10.0
"""Of 0 to 20: Google's advice is to start in the middle."""

_PREFIX: Final = "/google.cloud.speech.v2.Speech/"

logger = logging.getLogger(__name__)


class GoogleRecognizer:
    """Port SpeechRecognizer.

    ``location`` is the region that recognises, ``stream_seconds`` how long one stream is used.
    """

    def __init__(
        self, access: GoogleAccess, *, location: str, model: str, stream_seconds: float = STREAM_SECONDS
    ) -> None:
        self._access = access
        self._location = location
        self._model = model
        self._stream_seconds = stream_seconds

    async def start(self) -> None:
        await self._access.start()
        if not self._access.project:
            await self._access.close()
            raise ConfigurationError("TRUNKLINE_GOOGLE_PROJECT is empty, and the credentials name no project")

    async def check_health(self) -> None:
        """Asks for a list of recognisers: connection, credentials, project and role are tried, nothing is paid for."""
        channel = self._channel()
        ask = channel.unary_unary(
            _PREFIX + "ListRecognizers",
            request_serializer=speech.ListRecognizersRequest.serialize,
            response_deserializer=speech.ListRecognizersResponse.deserialize,
        )
        request = speech.ListRecognizersRequest(parent=self._parent, page_size=1)
        metadata = self._access.metadata(f"parent={self._parent}")
        try:
            await ask(request, metadata=metadata, timeout=REACH_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise told(RecognitionError, SERVICE, error) from error

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        self._channel()
        session = GoogleRecognition(self, options, self._stream_seconds)
        try:
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        await self._access.close()

    def call(self) -> grpc.aio.StreamStreamCall[Any, Any]:
        """One streaming request. Raises RecognitionError."""
        ask = self._channel().stream_stream(
            _PREFIX + "StreamingRecognize",
            request_serializer=speech.StreamingRecognizeRequest.serialize,
            response_deserializer=speech.StreamingRecognizeResponse.deserialize,
        )
        return ask(metadata=self._access.metadata(f"recognizer={self._recognizer}"))

    def first_request(self, options: RecognitionOptions) -> speech.StreamingRecognizeRequest:
        """What opens a stream."""
        phrases = [speech.PhraseSet.Phrase(value=hint[:LONGEST_HINT]) for hint in options.hints[:MOST_HINTS]]
        favoured = speech.SpeechAdaptation.AdaptationPhraseSet(
            inline_phrase_set=speech.PhraseSet(phrases=phrases, boost=HINT_BOOST)
        )
        return speech.StreamingRecognizeRequest(
            recognizer=self._recognizer,
            streaming_config=speech.StreamingRecognitionConfig(
                config=speech.RecognitionConfig(
                    explicit_decoding_config=speech.ExplicitDecodingConfig(
                        encoding=speech.ExplicitDecodingConfig.AudioEncoding.LINEAR16,
                        sample_rate_hertz=SAMPLE_RATE,
                        audio_channel_count=1,
                    ),
                    language_codes=[google_language(options.language)],
                    model=self._model,
                    features=speech.RecognitionFeatures(enable_automatic_punctuation=True, max_alternatives=1),
                    adaptation=speech.SpeechAdaptation(phrase_sets=[favoured]) if phrases else None,
                ),
                # Also where nobody wants partials: the last words of a stream that breaks are known by them.
                streaming_features=speech.StreamingRecognitionFeatures(interim_results=True),
            ),
        )

    @property
    def _parent(self) -> str:
        return f"projects/{self._access.project}/locations/{self._location}"

    @property
    def _recognizer(self) -> str:
        return f"{self._parent}/recognizers/_"

    def _channel(self) -> grpc.aio.Channel:
        try:
            return self._access.channel
        except ConnectionError as error:
            raise RecognitionError("the recogniser is not started") from error


class GoogleRecognition:
    """Port RecognitionSession. One utterance at a time, on one stream at a time."""

    def __init__(self, recognizer: GoogleRecognizer, options: RecognitionOptions, stream_seconds: float) -> None:
        self._recognizer = recognizer
        self._options = options
        self._stream_seconds = stream_seconds
        self._results = RecognitionResults()
        self._stream: GoogleStream | None = None
        self._utterance = 0
        self._open = False
        self._audio = bytearray()
        """Of the utterance, from ``_settled_bytes`` on."""
        self._settled_bytes = 0
        self._settled: list[tuple[str, float]] = []
        """Final texts whose audio was let go, each with its confidence."""
        self._asked: list[tuple[int, int, float]] = []
        """Flushes without an answer: number, bytes of the utterance before it, when."""
        self._answered_bytes = -1
        """Bytes of the utterance that the last answer covers; -1: none."""
        self._answer: tuple[str, float | None] = ("", None)
        self._partial = ""
        self._fruitless = 0
        self._listen = False
        """The last stream ended without a reason that we know."""

    async def begin(self, utterance: int) -> None:
        self._results.check()
        await self._drop_stream()
        self._utterance, self._open = utterance, True
        self._audio = bytearray()
        self._settled_bytes = 0
        self._settled, self._asked = [], []
        self._answered_bytes, self._answer = -1, ("", None)
        self._partial, self._fruitless = "", 0

    async def audio(self, pcm: bytes) -> None:
        self._check_open()
        self._audio += pcm
        if seconds_of(len(self._audio)) > UNSETTLED_SECONDS:
            self._results.fail(RecognitionError(f"{SERVICE}: no final text in {UNSETTLED_SECONDS:.0f} s of audio"))
            self._results.check()
        if self._stream is not None:
            self._stream.more()
        elif seconds_of(self._length - max(self._answered_bytes, 0)) >= (
            RESUME_SECONDS if self._answered_bytes >= 0 else 0.0
        ):
            self._open_stream()

    async def flush(self, flush: int) -> None:
        self._check_open()
        if len(self._asked) >= OPEN_FLUSHES:
            self._results.fail(RecognitionError(f"{OPEN_FLUSHES} flushes wait for an answer"))
            self._results.check()
        self._asked.append((flush, self._length, asyncio.get_running_loop().time()))
        self._serve_flushes()

    async def end(self) -> None:
        self._results.check()
        self._open = False
        if not self._asked:
            await self._drop_stream()

    def results(self) -> AsyncIterator[Transcript]:
        return self._results.read()

    async def close(self) -> None:
        """The call is over; ``results`` ends."""
        self._results.close()
        await self._drop_stream()

    # What a stream asks and tells.

    def audio_from(self, place: int, most: int) -> bytes:
        """At most ``most`` bytes of the utterance from ``place`` on."""
        start = place - self._settled_bytes
        return bytes(memoryview(self._audio)[start : start + most])

    @property
    def length(self) -> int:
        """Bytes of the utterance so far."""
        return self._length

    def heard(self, stream: GoogleStream) -> None:
        """``stream`` knows more words."""
        if stream is not self._stream or stream.closing:
            return
        self._settle(stream)
        text = self._text(stream)[0]
        if self._options.partials and self._open and text and text != self._partial:
            self._partial = text
            self._results.tell(Transcript(self._utterance, text))

    def ended(self, stream: GoogleStream) -> None:
        """``stream`` is over: because it was closed for a flush, or because it was its time."""
        if stream is not self._stream:
            return
        self._stream = None
        self._listen = stream.unexplained
        if stream.closing:
            self._answered_bytes, self._answer = stream.end, self._text(stream)
        elif stream.age() < SHORT_SECONDS:
            self._fruitless += 1
            if self._fruitless >= FRUITLESS_STREAMS:
                self._results.fail(RecognitionError(f"{SERVICE}: {FRUITLESS_STREAMS} streams ended without a word"))
                return
        if self._asked:
            self._serve_flushes()
        # Otherwise the next audio opens a stream: one that got none for a while is not opened again for nothing.

    def broke(self, stream: GoogleStream, error: RecognitionError) -> None:
        """``stream`` failed."""
        if stream is self._stream:
            self._results.fail(error)

    # Inside.

    @property
    def _length(self) -> int:
        return self._settled_bytes + len(self._audio)

    def _check_open(self) -> None:
        self._results.check()
        if not self._open:
            raise RecognitionError("no utterance is open")

    def _open_stream(self) -> None:
        try:
            call = self._recognizer.call()
        except RecognitionError as error:
            self._results.fail(error)
            return
        first = self._recognizer.first_request(self._options)
        self._stream = GoogleStream(
            self, call, first, start=self._settled_bytes, seconds=self._stream_seconds, listen=self._listen
        )
        self._stream.run()

    def _serve_flushes(self) -> None:
        """Answer what can be answered, and see that the rest will be."""
        loop = asyncio.get_running_loop()
        while self._asked and (self._asked[0][1] <= self._answered_bytes or not self._length):
            flush, _, asked = self._asked.pop(0)
            text, confidence = self._answer
            seconds = max(loop.time() - asked, 1e-6)
            self._results.tell(Transcript(self._utterance, text, flush, confidence, seconds))
        if not self._asked or self._results.over:
            return
        if self._stream is None:
            self._open_stream()
        if self._stream is not None and not self._stream.closing:
            # Whatever was asked meanwhile is answered with it: later words do not make an answer wrong.
            self._stream.close_at(self._asked[-1][1])

    def _text(self, stream: GoogleStream) -> tuple[str, float | None]:
        return _joined([*self._settled, *stream.finals, (stream.interim, 0.0)])

    def _settle(self, stream: GoogleStream) -> None:
        """Keep the final texts of ``stream`` and let their audio go."""
        place = stream.finals_end
        if self._settled_bytes < place <= stream.sent:
            self._settled += stream.finals
            stream.finals.clear()
            del self._audio[: place - self._settled_bytes]
            self._settled_bytes = place
            self._fruitless = 0

    async def _drop_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop()


def _joined(texts: list[tuple[str, float]]) -> tuple[str, float | None]:
    """One text, and the confidence of its parts by their length; parts whose confidence is 0 have none."""
    text = " ".join(part.strip() for part, _ in texts if part.strip())
    known = [(confidence, len(part)) for part, confidence in texts if confidence > 0 and part.strip()]
    total = sum(length for _, length in known)
    return text, min(sum(value * length for value, length in known) / total, 1.0) if total else None
