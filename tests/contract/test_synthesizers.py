"""What every voice does, whoever makes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.audio.format import seconds_of
from engine.errors import ConfigurationError, SynthesisError
from engine.speech.cache import CachedSynthesizer
from engine.speech.chain import AlwaysClosed, Member
from engine.speech.chain_synthesizers import GuardedSynthesizer, SynthesizerChain
from engine.speech.ports import RecognitionOptions, SpeechSynthesizer, SynthesisRequest
from engine.speech.providers.batch_synthesis import WAITING_REQUESTS, breaths
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.nanotts import NanoSynthesizer
from engine.speech.providers.piper import PiperSynthesizer
from engine.speech.providers.scripted import ScriptedSynthesizer
from ops.bench.word_errors import word_errors
from tests.breaking import BreakingSynthesizer
from tests.over_clouds import GoogleSynthesizerOnLoopback, OpenAiSynthesizerOnLoopback
from tests.over_grpc import SynthesizerOverGrpc

SENTENCE = "Your order will be delivered on Tuesday morning."
LONG = (
    "We have four summer tyres in that size, two hundred and fifteen fifty five seventeen, and they can be fitted "
    "tomorrow morning. Shall I book that for you? It takes about forty minutes."
)


def scripted() -> SpeechSynthesizer:
    return ScriptedSynthesizer(first_audio_seconds=0.01, pace=100)


def chain(*voices: SpeechSynthesizer) -> SpeechSynthesizer:
    members: list[Member[SpeechSynthesizer]] = [
        Member(str(place), GuardedSynthesizer(voice, AlwaysClosed(), first_seconds=5, next_seconds=5))
        for place, voice in enumerate(voices)
    ]
    return SynthesizerChain(members)


ADAPTERS = [
    pytest.param(scripted, id="scripted"),
    pytest.param(
        lambda: CachedSynthesizer(scripted(), identity="x", directory=None, memory_bytes=1 << 20), id="cached"
    ),
    pytest.param(lambda: SynthesizerOverGrpc(scripted()), id="over-grpc"),
    pytest.param(lambda: GoogleSynthesizerOnLoopback("Chirp3-HD-Charon"), id="google-streamed"),
    pytest.param(lambda: GoogleSynthesizerOnLoopback("en-US-Neural2-A"), id="google-whole"),
    pytest.param(OpenAiSynthesizerOnLoopback, id="openai"),
    pytest.param(lambda: chain(scripted()), id="chain"),
    pytest.param(lambda: chain(BreakingSynthesizer(), scripted()), id="chain-after-a-break"),
    pytest.param(PiperSynthesizer, id="piper", marks=pytest.mark.embedded),
    pytest.param(NanoSynthesizer, id="nanotts", marks=pytest.mark.embedded),
]
EMBEDDED = [
    pytest.param(PiperSynthesizer, id="piper"),
    pytest.param(NanoSynthesizer, id="nanotts"),
]


@pytest.fixture(params=ADAPTERS)
async def synthesizer(request: pytest.FixtureRequest) -> AsyncIterator[SpeechSynthesizer]:
    make: Callable[[], SpeechSynthesizer] = request.param
    synthesizer = make()
    await synthesizer.start()
    yield synthesizer
    await synthesizer.close()


@pytest.fixture(params=EMBEDDED)
async def embedded(request: pytest.FixtureRequest) -> AsyncIterator[SpeechSynthesizer]:
    make: Callable[[], SpeechSynthesizer] = request.param
    synthesizer = make()
    await synthesizer.start()
    yield synthesizer
    await synthesizer.close()


async def speak(synthesizer: SpeechSynthesizer, text: str, *, speed: float = 1.0) -> bytes:
    chunks = []
    async with asyncio.timeout(60):
        async for chunk in synthesizer.synthesize(SynthesisRequest(text, speed=speed)):
            assert chunk
            assert len(chunk) % 2 == 0
            chunks.append(chunk)
    return b"".join(chunks)


def levels(pcm: bytes) -> NDArray[np.float64]:
    """Loudness of each 5 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    blocks: NDArray[np.float64] = np.sqrt(np.square(samples[: len(samples) // 40 * 40].reshape(-1, 40)).mean(axis=1))
    return blocks


async def test_a_sentence_is_spoken(synthesizer: SpeechSynthesizer) -> None:
    pcm = await speak(synthesizer, SENTENCE)
    assert 1.5 < seconds_of(len(pcm)) < 6
    assert 1000 < np.sqrt(np.square(levels(pcm)).mean()) < 12000


async def test_speech_begins_at_once_and_ends_soon(synthesizer: SpeechSynthesizer) -> None:
    loud = np.flatnonzero(levels(await speak(synthesizer, SENTENCE)) > 200)
    total = len(levels(await speak(synthesizer, SENTENCE)))
    assert loud[0] * 0.005 <= 0.02
    assert (total - loud[-1]) * 0.005 <= 0.3


async def test_faster_is_shorter(synthesizer: SpeechSynthesizer) -> None:
    # No network says a sentence twice in the same time, and pauses at both ends stay as they are.
    normal = len(await speak(synthesizer, LONG))
    fast = len(await speak(synthesizer, LONG, speed=1.4))
    assert fast < normal * 0.9


async def test_a_long_text_is_spoken_whole(synthesizer: SpeechSynthesizer) -> None:
    assert seconds_of(len(await speak(synthesizer, LONG))) > 7


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_nothing_to_say_is_silence(synthesizer: SpeechSynthesizer, text: str) -> None:
    assert await speak(synthesizer, text) == b""


async def test_one_may_stop_listening(synthesizer: SpeechSynthesizer) -> None:
    stream = cast("AsyncGenerator[bytes, None]", synthesizer.synthesize(SynthesisRequest(LONG)))
    async with aclosing(stream):
        assert await anext(stream)
    assert await speak(synthesizer, SENTENCE)


async def test_several_speak_at_once(synthesizer: SpeechSynthesizer) -> None:
    spoken = await asyncio.gather(*(speak(synthesizer, f"Number {word}.") for word in ("one", "two", "three", "four")))
    assert all(seconds_of(len(pcm)) > 0.2 for pcm in spoken)


async def test_health_and_closing_twice(synthesizer: SpeechSynthesizer) -> None:
    await synthesizer.check_health()
    await synthesizer.close()
    await synthesizer.close()


@pytest.mark.embedded
@pytest.mark.parametrize("text", ["...", "—", "?!"])
async def test_punctuation_alone_is_not_spoken(embedded: SpeechSynthesizer, text: str) -> None:
    assert await speak(embedded, text) == b""


@pytest.mark.embedded
@pytest.mark.parametrize(
    "text", ["<speed level='9'>hello", "a & b", "Ünïcödé naïve café", "Київ 215/55 R17", "x" * 300]
)
async def test_odd_texts_do_no_harm(embedded: SpeechSynthesizer, text: str) -> None:
    await speak(embedded, text)
    assert await speak(embedded, SENTENCE)


@pytest.mark.embedded
async def test_no_click_at_either_end(embedded: SpeechSynthesizer) -> None:
    samples = np.frombuffer(await speak(embedded, SENTENCE), "<i2").astype(np.int32)
    assert np.abs(samples[:8]).max() < 300
    assert np.abs(samples[-8:]).max() < 300


@pytest.mark.embedded
async def test_what_it_does_not_speak_is_refused(embedded: SpeechSynthesizer) -> None:
    for wrong in (SynthesisRequest("hello", voice="nobody"), SynthesisRequest("привіт", language="uk")):
        with pytest.raises(SynthesisError):
            await anext(embedded.synthesize(wrong))


@pytest.mark.embedded
async def test_more_than_it_can_hold_is_refused(embedded: SpeechSynthesizer) -> None:
    streams = [embedded.synthesize(SynthesisRequest("Yes.")) for _ in range(WAITING_REQUESTS + 1)]
    results = await asyncio.gather(*(anext(stream) for stream in streams), return_exceptions=True)
    assert sum(isinstance(result, SynthesisError) for result in results) == 1
    for stream in streams:
        await cast("AsyncGenerator[bytes, None]", stream).aclose()
    assert await speak(embedded, "Yes.")


@pytest.mark.embedded
async def test_closing_fails_those_who_wait(embedded: SpeechSynthesizer) -> None:
    speaking = [asyncio.create_task(speak(embedded, LONG)) for _ in range(4)]
    await asyncio.sleep(0.01)
    await embedded.close()
    results = await asyncio.gather(*speaking, return_exceptions=True)
    assert all(isinstance(result, SynthesisError) for result in results), results


@pytest.mark.embedded
async def test_what_is_said_can_be_understood(embedded: SpeechSynthesizer) -> None:
    recognizer = MoonshineRecognizer()
    await recognizer.start()
    async with recognizer.open(RecognitionOptions(call_id="a", partials=False)) as session:
        results = session.results()
        await session.begin(1)
        await session.audio(bytes(3200) + await speak(embedded, SENTENCE) + bytes(3200))
        await session.flush(1)
        heard = await anext(results)
    await recognizer.close()
    assert word_errors(SENTENCE, heard.text)[0] <= 1, heard.text


@pytest.mark.embedded
async def test_pico_speaks_other_languages() -> None:
    synthesizer = NanoSynthesizer()
    await synthesizer.start()
    for language, text in (("de", "Guten Morgen"), ("fr-FR", "Bonjour madame"), ("en-US", "Good morning")):
        request = SynthesisRequest(text, language=language)
        pcm = b"".join([chunk async for chunk in synthesizer.synthesize(request)])
        assert seconds_of(len(pcm)) > 0.4
    await synthesizer.close()


@pytest.mark.embedded
async def test_a_wrong_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        await PiperSynthesizer(model=tmp_path / "nowhere.onnx").start()
    with pytest.raises(ConfigurationError, match="nowhere"):
        await MoonshineRecognizer(model=tmp_path / "nowhere").start()
    with pytest.raises(ConfigurationError, match="nowhere"):
        await NanoSynthesizer(lingware=tmp_path / "nowhere").start()
    with pytest.raises(ConfigurationError, match="xx-XX"):
        await NanoSynthesizer(voice="xx-XX").start()


def test_a_long_text_is_cut_where_a_speaker_breathes() -> None:
    pieces = breaths(LONG)
    assert " ".join(text for text, _ in pieces) == LONG
    assert len(pieces) >= 4
    assert all(len(text.split()) <= 14 for text, _ in pieces)
    assert all(gap > 0 for _, gap in pieces[:-1])
    assert pieces[-1][1] == 0


@pytest.mark.parametrize("text", ["", "Yes.", "One, two, three.", "a " * 40, "Well, yes. No!", "Version 2.5 is here."])
def test_cutting_loses_no_word(text: str) -> None:
    assert " ".join(piece for piece, _ in breaths(text)).split() == text.split()
