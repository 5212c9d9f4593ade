"""The speech cache: what is kept where, and what happens when things go wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import pytest

from engine.errors import SynthesisError
from engine.speech.cache import CachedSynthesizer, stored
from engine.speech.ports import SynthesisRequest


class CountingVoice:
    """Speaks a text as its own bytes, in two chunks, and counts. Waits for ``gate`` before the second chunk."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.stopped = 0
        self.closed = False
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> None:
        pass

    async def check_health(self) -> None:
        if self.error is not None:
            raise self.error

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        self.asked.append(request.text)
        audio = spoken(request.text)
        try:
            yield audio[:4]
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            yield audio[4:]
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped += 1
            raise

    async def close(self) -> None:
        self.closed = True


def spoken(text: str) -> bytes:
    return text.encode("utf-16-le") * 10


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def ask(text: str, call: str = "") -> SynthesisRequest:
    return SynthesisRequest(text, call_id=call)


async def heard(synthesizer: CachedSynthesizer, request: SynthesisRequest) -> bytes:
    return b"".join([chunk async for chunk in synthesizer.synthesize(request)])


def cached(
    inner: CountingVoice,
    directory: Path | None = None,
    *,
    identity: str = "voice-1",
    memory_bytes: int = 100_000,
    disk_bytes: int = 1_000_000,
) -> CachedSynthesizer:
    return CachedSynthesizer(
        inner, identity=identity, directory=directory, memory_bytes=memory_bytes, disk_bytes=disk_bytes
    )


async def test_a_sentence_is_synthesised_once() -> None:
    inner = CountingVoice()
    cache = cached(inner)
    assert await heard(cache, ask("hello", "a")) == spoken("hello")
    assert await heard(cache, ask("hello", "b")) == spoken("hello")
    assert inner.asked == ["hello"]
    assert (cache.hits, cache.misses) == (1, 1)


async def test_voice_language_speed_and_text_tell_sentences_apart() -> None:
    inner = CountingVoice()
    cache = cached(inner)
    for request in (
        SynthesisRequest("hello"),
        SynthesisRequest("hello", voice="joe"),
        SynthesisRequest("hello", language="de"),
        SynthesisRequest("hello", speed=1.1),
        SynthesisRequest("Hello"),
    ):
        await heard(cache, request)
    assert len(inner.asked) == 5


async def test_memory_is_bounded_and_lets_the_least_used_go() -> None:
    inner = CountingVoice()
    size = len(spoken("aaaaa"))
    cache = cached(inner, memory_bytes=2 * size)
    for text in ("aaaaa", "bbbbb", "aaaaa", "ccccc", "aaaaa", "bbbbb"):
        await heard(cache, ask(text, "a"))
    assert inner.asked == ["aaaaa", "bbbbb", "ccccc", "bbbbb"]


async def test_what_is_larger_than_the_memory_displaces_nothing() -> None:
    inner = CountingVoice()
    cache = cached(inner, memory_bytes=len(spoken("small")))
    for text in ("small", "a sentence that is too long", "small"):
        await heard(cache, ask(text, "a"))
    assert inner.asked == ["small", "a sentence that is too long"]


async def test_prompts_outlive_the_process(tmp_path: Path) -> None:
    inner = CountingVoice()
    first = cached(inner, tmp_path / "speech")
    await first.start()
    await heard(first, ask("welcome"))
    await first.close()
    assert inner.closed
    assert stored(tmp_path / "speech", "voice-1", ask("welcome", "some call")) == spoken("welcome")
    second = cached(CountingVoice(), tmp_path / "speech")
    await second.start()
    assert await heard(second, ask("welcome", "a")) == spoken("welcome")
    assert (second.hits, second.misses) == (1, 0)


async def test_another_identity_finds_nothing(tmp_path: Path) -> None:
    first = cached(CountingVoice(), tmp_path)
    await heard(first, ask("welcome"))
    await first.close()
    assert stored(tmp_path, "voice-2", ask("welcome")) is None


async def test_one_callers_sentence_stays_off_the_disk(tmp_path: Path) -> None:
    cache = cached(CountingVoice(), tmp_path)
    for _ in range(3):
        await heard(cache, ask("your order is on its way to you", "a"))
    await cache.close()
    assert files(tmp_path) == []


async def test_what_two_calls_say_goes_to_disk(tmp_path: Path) -> None:
    cache = cached(CountingVoice(), tmp_path)
    await heard(cache, ask("anything else", "a"))
    await heard(cache, ask("anything else", "b"))
    await cache.close()
    assert stored(tmp_path, "voice-1", ask("anything else")) == spoken("anything else")


@pytest.mark.parametrize("damage", [b"", b"TLS1", b"nonsense" * 20, None])
async def test_a_damaged_file_is_ignored_and_replaced(tmp_path: Path, damage: bytes | None) -> None:
    first = cached(CountingVoice(), tmp_path)
    await heard(first, ask("welcome"))
    await first.close()
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-3] if damage is None else damage)
    assert stored(tmp_path, "voice-1", ask("welcome")) is None
    inner = CountingVoice()
    second = cached(inner, tmp_path)
    assert await heard(second, ask("welcome")) == spoken("welcome")
    await second.close()
    assert inner.asked == ["welcome"]
    assert file.read_bytes() == whole


async def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    cache = cached(CountingVoice(), tmp_path)
    await heard(cache, ask("welcome"))
    await cache.close()
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert stored(tmp_path, "voice-1", ask("welcome")) is None


async def test_the_disk_is_bounded_and_lets_the_oldest_go(tmp_path: Path) -> None:
    size = len(spoken("number 0")) + 12
    cache = cached(CountingVoice(), tmp_path, disk_bytes=5 * size)
    await cache.start()
    for number in range(5):
        await heard(cache, ask(f"number {number}"))
        await cache.close()  # waits for the writing
        (newest,) = [file for file in files(tmp_path) if file.stat().st_mtime > 2000]
        os.utime(newest, (1000 + number, 1000 + number))
    await heard(cache, ask("number 5"))
    await cache.close()
    kept = [number for number in range(6) if stored(tmp_path, "voice-1", ask(f"number {number}")) is not None]
    assert kept == [2, 3, 4, 5]


async def test_a_disk_that_cannot_be_written_is_gone_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    inner = CountingVoice()
    cache = cached(inner, tmp_path / "file" / "speech")
    await cache.start()
    for text in ("one", "two", "one"):
        assert await heard(cache, ask(text)) == spoken(text)
    await cache.close()
    assert inner.asked == ["one", "two"]
    assert len([record for record in caplog.records if "memory" in record.message]) == 1


async def test_the_same_sentence_at_the_same_time_is_synthesised_once() -> None:
    inner = CountingVoice()
    inner.gate.clear()
    cache = cached(inner)
    both = [asyncio.create_task(heard(cache, ask("hello", call))) for call in ("a", "b", "a")]
    for _ in range(10):
        await asyncio.sleep(0)
    inner.gate.set()
    assert await asyncio.gather(*both) == [spoken("hello")] * 3
    assert inner.asked == ["hello"]


async def test_chunks_are_passed_on_as_they_come() -> None:
    inner = CountingVoice()
    inner.gate.clear()
    cache = cached(inner)
    stream = cache.synthesize(ask("hello"))
    assert await anext(stream) == spoken("hello")[:4]
    late = cache.synthesize(ask("hello"))
    assert await anext(late) == spoken("hello")[:4]
    inner.gate.set()
    assert await anext(stream) == await anext(late) == spoken("hello")[4:]
    assert [chunk async for chunk in stream] == [chunk async for chunk in late] == []


async def test_one_who_leaves_does_not_take_the_others_along() -> None:
    inner = CountingVoice()
    inner.gate.clear()
    cache = cached(inner)
    leaving = asyncio.create_task(heard(cache, ask("hello", "a")))
    staying = asyncio.create_task(heard(cache, ask("hello", "b")))
    for _ in range(10):
        await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    inner.gate.set()
    assert await staying == spoken("hello")
    assert leaving.cancelled()
    assert inner.stopped == 0


async def test_the_last_who_leaves_stops_the_work() -> None:
    inner = CountingVoice()
    inner.gate.clear()
    cache = cached(inner)
    async with aclosing(cast("AsyncGenerator[bytes, None]", cache.synthesize(ask("hello")))) as stream:
        await anext(stream)
    for _ in range(10):
        await asyncio.sleep(0)
    assert inner.stopped == 1
    inner.gate.set()
    assert await heard(cache, ask("hello")) == spoken("hello")
    assert inner.asked == ["hello", "hello"], "what was left half done is not kept"


async def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    inner = CountingVoice()
    inner.gate.clear()
    inner.error = SynthesisError("out of breath")
    cache = cached(inner)
    both = [asyncio.create_task(heard(cache, ask("hello"))) for _ in range(2)]
    for _ in range(10):
        await asyncio.sleep(0)
    inner.gate.set()
    for result in await asyncio.gather(*both, return_exceptions=True):
        assert isinstance(result, SynthesisError)
        assert "out of breath" in str(result)
    inner.error = None
    assert await heard(cache, ask("hello")) == spoken("hello")


async def test_health_is_the_inner_voices() -> None:
    inner = CountingVoice()
    cache = cached(inner)
    await cache.check_health()
    inner.error = SynthesisError("lost its voice")
    with pytest.raises(SynthesisError, match="lost its voice"):
        await cache.check_health()


def test_reading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from engine.speech.cache import stored;"
        "from engine.speech.ports import SynthesisRequest; stored(Path('.'), 'x', SynthesisRequest('y'));"
        "assert not {'numpy', 'onnxruntime', 'grpc', 'soxr'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
