"""Google's recogniser and voice against a server of their public protocol on loopback, faults included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import grpc
import pytest

from engine.audio.format import seconds_of
from engine.errors import ConfigurationError, RecognitionError, SynthesisError
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest, Transcript
from engine.speech.providers.google_access import GoogleAccess, google_language
from engine.speech.providers.google_recognition import GoogleRecognizer
from engine.speech.providers.google_voice import GoogleSynthesizer
from tests.google_server import KEY, Fault, GoogleServer, google, running
from tests.speech_clips import frames
from tests.toy_speech import WORDS, pause, spoken

CALL = RecognitionOptions(call_id="a", hints=("Michelin", "Nokian"))
QUIET = RecognitionOptions(call_id="a", partials=False)
Status = grpc.StatusCode


def access(server: GoogleServer, key: str = KEY) -> GoogleAccess:
    return GoogleAccess(host="unused", endpoint=server.url, api_key=key, project="shop")


@asynccontextmanager
async def recogniser(server: GoogleServer, key: str = KEY, **how: Any) -> AsyncIterator[GoogleRecognizer]:
    made = GoogleRecognizer(access(server, key), location="global", model="telephony", **how)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def voice(
    server: GoogleServer, name: str = "Chirp3-HD-Charon", key: str = KEY
) -> AsyncIterator[GoogleSynthesizer]:
    made = GoogleSynthesizer(access(server, key), voice=name)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def say(session: RecognitionSession, pcm: bytes, size: int = 640) -> None:
    for frame in frames(pcm, size):
        await session.audio(frame)
        await asyncio.sleep(0)


async def until(done: Callable[[], object]) -> None:
    """The server has no event for each thing that is waited for."""
    for _ in range(1000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


async def answer(results: AsyncIterator[Transcript], flush: int = 1) -> Transcript:
    async with asyncio.timeout(20):
        async for result in results:
            if result.flush == flush:
                return result
    raise AssertionError("the results ended")


async def utterance(session: RecognitionSession) -> str:
    await session.begin(1)
    await say(session, spoken("one", "two", "three"))
    await session.flush(1)
    return (await answer(session.results())).text


async def test_what_is_said_is_asked_for_as_google_wants_it() -> None:
    async with google() as server, recogniser(server) as made, made.open(CALL) as session:
        await session.begin(1)
        await say(session, spoken("one", "two", "three"))
        await session.flush(1)
        heard = await answer(session.results())
        assert (heard.text, heard.utterance) == ("one two three", 1)
        assert heard.confidence == pytest.approx(0.9)
        (stream,) = server.streams
        config = stream.config.config
        assert stream.recognizer == "projects/shop/locations/global/recognizers/_"
        assert (config.model, list(config.language_codes)) == ("telephony", ["en-US"])
        assert config.explicit_decoding_config.sample_rate_hertz == 8000
        hints = config.adaptation.phrase_sets[0].inline_phrase_set.phrases
        assert [phrase.value for phrase in hints] == ["Michelin", "Nokian"]
        assert bytes(stream.audio) == spoken("one", "two", "three")
        routed = server.metadata[-1]["x-goog-request-params"]
        assert routed == "recognizer=projects/shop/locations/global/recognizers/_"


async def test_a_caller_who_goes_on_is_heard_whole_and_each_word_once() -> None:
    async with google() as server, recogniser(server) as made, made.open(CALL) as session:
        results = session.results()
        await session.begin(1)
        await say(session, spoken("one", "two"))
        await session.flush(1)
        assert (await answer(results, 1)).text == "one two"
        await say(session, spoken("three", "four", "five"))
        await session.flush(2)
        assert (await answer(results, 2)).text == "one two three four five"


async def test_the_silence_that_ends_a_turn_is_not_sent_again() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        await session.begin(1)
        await say(session, spoken("one"))
        await session.flush(1)
        await answer(session.results())
        await say(session, pause(0.4))
        await session.end()
        assert len(server.streams) == 1


async def test_settled_words_are_not_sent_again() -> None:
    async with google() as server, recogniser(server) as made, made.open(CALL) as session:
        results = session.results()
        await session.begin(1)
        await say(session, spoken("one", "two") + pause(0.6))
        await until(lambda: cast("Any", session)._settled)
        await say(session, spoken("three"))
        await session.flush(1)
        assert (await answer(results, 1)).text == "one two three"
        await say(session, spoken("four"))
        await session.flush(2)
        assert (await answer(results, 2)).text == "one two three four"
        assert len(server.streams[1].audio) < len(server.streams[0].audio)


@pytest.mark.parametrize("code", [Status.ABORTED, Status.OUT_OF_RANGE])
async def test_no_word_is_lost_where_google_ends_a_stream(code: grpc.StatusCode) -> None:
    words = WORDS[1:]
    server = GoogleServer(limit_seconds=4.0, limit_code=code)
    async with running(server), recogniser(server) as made, made.open(QUIET) as session:
        inside = cast("Any", session)
        await session.begin(1)
        for word in words:
            await say(session, spoken(word) + pause(0.6))
            # A caller speaks no faster than Google listens.
            await until(lambda: inside._stream is None or inside._settled_bytes > inside._length - 12_000)
        await session.flush(1)
        assert (await answer(session.results())).text == " ".join(words)
        assert len(server.streams) >= 2


async def test_no_word_is_lost_where_a_stream_got_no_audio_for_too_long() -> None:
    async with google(idle_seconds=0.1) as server, recogniser(server) as made, made.open(QUIET) as session:
        await session.begin(1)
        await say(session, spoken("one", "two"))
        await until(lambda: server.streams and cast("Any", session)._stream is None)
        await say(session, spoken("three"))
        await session.flush(1)
        assert (await answer(session.results())).text == "one two three"
        assert len(server.streams) == 2


async def test_no_word_is_lost_where_the_stream_is_renewed_in_time() -> None:
    words = ("one", "two", "three", "four", "five", "six")
    async with google() as server, recogniser(server, stream_seconds=0.05) as made, made.open(QUIET) as session:
        await session.begin(1)
        for word in words:
            await say(session, spoken(word))
            await asyncio.sleep(0.03)
        await session.flush(1)
        assert (await answer(session.results())).text == " ".join(words)
        assert len(server.streams) > 1


async def test_streams_that_end_again_and_again_are_a_failure() -> None:
    async with google(limit_seconds=0.05) as server, recogniser(server) as made, made.open(QUIET) as session:
        await session.begin(1)
        await say(session, spoken("one", "two"))
        await session.flush(1)
        with pytest.raises(RecognitionError, match="3 streams ended"):
            await answer(session.results())
        assert len(server.streams) == 3


@pytest.mark.parametrize(
    ("fault", "words", "retryable"),
    [
        (Fault(Status.UNAVAILABLE, "gone", after_seconds=0.5), "cannot be reached", True),
        (Fault(Status.RESOURCE_EXHAUSTED, "quota exceeded"), "quota is used up", True),
        (Fault(Status.PERMISSION_DENIED, "API disabled"), "TRUNKLINE_GOOGLE_PROJECT", False),
        (Fault(Status.INVALID_ARGUMENT, "no such model"), "no such model", False),
        (Fault(Status.INTERNAL, "oops"), "INTERNAL", True),
    ],
)
async def test_faults_break_the_session_and_say_what_to_do(fault: Fault, words: str, retryable: bool) -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.always = fault
        with pytest.raises(RecognitionError, match=words) as caught:
            await utterance(session)
        assert caught.value.retryable is retryable
        with pytest.raises(RecognitionError):
            await session.begin(2)


async def test_an_answer_that_is_no_message_breaks_the_session() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(Fault(garbled=True))
        with pytest.raises(RecognitionError, match="cannot be read"):
            await utterance(session)
        with pytest.raises(RecognitionError):
            await session.begin(2)


async def test_a_connection_that_is_closed_on_our_side_breaks_the_session() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(Fault(silent=True))
        await session.begin(1)
        await say(session, spoken("one"))
        await session.flush(1)
        await until(lambda: server.streams)
        await made.close()
        with pytest.raises(RecognitionError, match="cut off"):
            await answer(session.results())


@pytest.mark.parametrize("what", ["audio_from", "heard"])
async def test_an_error_that_nobody_foresaw_breaks_the_session(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("one two three")

    async with google() as server, recogniser(server) as made, made.open(CALL) as session:
        monkeypatch.setattr(session, what, fail)
        with pytest.raises(RecognitionError, match="ZeroDivisionError") as caught:
            await utterance(session)
        assert "one" not in str(caught.value)


async def test_a_wrong_key_is_told_without_the_key() -> None:
    async with google() as server, recogniser(server, key="a-wrong-key") as made:
        with pytest.raises(RecognitionError, match="TRUNKLINE_GOOGLE_API_KEY") as caught:
            await made.check_health()
        assert "a-wrong-key" not in str(caught.value)
        async with voice(server, key="a-wrong-key") as speaker:
            with pytest.raises(SynthesisError, match="UNAUTHENTICATED"):
                await speaker.check_health()


async def test_health_costs_nothing() -> None:
    async with google() as server, recogniser(server) as made, voice(server) as speaker:
        await made.check_health()
        await speaker.check_health()
        assert (server.lists, server.streams, server.spoken) == (2, [], [])


async def test_a_server_that_is_gone_is_told() -> None:
    async with google() as server, recogniser(server) as made:
        await server.stop()
        with pytest.raises(RecognitionError, match="UNAVAILABLE"):
            await made.check_health()


async def test_a_call_that_ends_gives_its_stream_up() -> None:
    async with google() as server, recogniser(server) as made:
        async with made.open(QUIET) as session:
            await session.begin(1)
            await say(session, spoken("one"))
            await until(lambda: server.streams and server.streams[0].audio)
        await until(lambda: server.streams[0].gone)


async def test_a_silent_server_leaves_the_flush_open_and_the_session_usable() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(Fault(silent=True))
        await session.begin(1)
        await say(session, spoken("one"))
        await session.flush(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await anext(session.results())
        await session.begin(2)
        await say(session, spoken("two"))
        await session.flush(1)
        assert (await answer(session.results())).text == "two"


async def test_a_server_without_last_words_leaves_what_it_believed() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        server.faults.append(Fault(deaf=True))
        await session.begin(1)
        await say(session, spoken("one"))
        await session.flush(1)
        assert (await answer(session.results())).text == ""


async def test_replays_go_in_pieces_that_google_takes() -> None:
    async with google() as server, recogniser(server) as made, made.open(QUIET) as session:
        await session.begin(1)
        await session.audio(spoken(*["one"] * 40))
        await session.flush(1)
        assert (await answer(session.results())).text == " ".join(["one"] * 40)
        assert max(server.streams[0].chunks) <= 15 * 1024


@pytest.mark.parametrize(
    ("tag", "wanted"), [("en", "en-US"), ("de", "de-DE"), ("uk", "uk-UA"), ("pt-BR", "pt-BR"), ("EN-gb", "en-gb")]
)
def test_languages_are_named_with_a_region(tag: str, wanted: str) -> None:
    assert google_language(tag) == wanted


async def test_without_tls_only_this_machine_is_spoken_to() -> None:
    with pytest.raises(ConfigurationError, match="without TLS"):
        GoogleAccess(host="", endpoint="http://10.0.0.1:80")


async def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(ConfigurationError, match="TRUNKLINE_GOOGLE_API_KEY"):
        await GoogleAccess(host="speech.googleapis.com").start()


async def heard(speaker: GoogleSynthesizer, request: SynthesisRequest) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([chunk async for chunk in speaker.synthesize(request)])


@pytest.mark.parametrize("name", ["Chirp3-HD-Charon", "en-GB-Neural2-A"])
async def test_a_voice_speaks_streamed_or_whole(name: str) -> None:
    async with google() as server, voice(server, name) as speaker:
        pcm = await heard(speaker, SynthesisRequest("Your tyres are here.", language="en", speed=1.2))
        assert 1.0 < seconds_of(len(pcm)) < 1.8
        asked = server.spoken[0]
        if "Chirp" in name:
            config = cast("Any", asked).streaming_config
            assert config.voice.name == "en-US-Chirp3-HD-Charon"
            assert config.streaming_audio_config.speaking_rate == pytest.approx(1.2)
        else:
            whole = cast("Any", asked)
            assert (whole.voice.language_code, whole.voice.name) == ("en-GB", "en-GB-Neural2-A")
            assert whole.audio_config.speaking_rate == pytest.approx(1.2)


@pytest.mark.parametrize("name", ["Chirp3-HD-Charon", "en-GB-Neural2-A"])
@pytest.mark.parametrize("code", [Status.RESOURCE_EXHAUSTED, Status.UNAVAILABLE, Status.INVALID_ARGUMENT])
async def test_a_voice_that_fails_says_so_without_the_text(name: str, code: grpc.StatusCode) -> None:
    async with google() as server, voice(server, name) as speaker:
        server.always = Fault(code, "cannot say: call me at five five five")
        with pytest.raises(SynthesisError, match=code.name) as caught:
            await heard(speaker, SynthesisRequest("call me at five five five"))
        assert "five" not in str(caught.value)


async def test_a_voice_cut_in_the_middle_is_an_error_after_its_audio() -> None:
    async with google() as server, voice(server) as speaker:
        server.faults.append(Fault(Status.UNAVAILABLE, "gone", after_seconds=3))
        stream = speaker.synthesize(SynthesisRequest("one two three four five six seven eight"))
        assert await anext(aiter(stream))
        with pytest.raises(SynthesisError, match="UNAVAILABLE"):
            [chunk async for chunk in stream]


async def test_an_answer_that_is_no_audio_is_an_error() -> None:
    async with google() as server, voice(server, "en-GB-Neural2-A") as speaker:
        server.faults.append(Fault(deaf=True))
        with pytest.raises(SynthesisError, match="no audio"):
            await heard(speaker, SynthesisRequest("hello"))


async def test_to_stop_listening_stops_the_voice() -> None:
    async with google() as server, voice(server) as speaker:
        stream = cast("Any", speaker.synthesize(SynthesisRequest("one two three four five six seven eight nine ten")))
        async with aclosing(stream):
            await anext(stream)
        async with asyncio.timeout(5):
            await server.voice_gone.wait()
