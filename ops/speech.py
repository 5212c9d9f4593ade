"""The configured recogniser and voice, by hand: what a caller's wav becomes, and how a sentence sounds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

from engine.agent.playbooks import Playbooks, language_of, spelling_of
from engine.audio.format import FRAME_BYTES, seconds_of
from engine.audio.wav import read_wav, write_wav
from engine.config import Settings
from engine.errors import ConfigurationError, RecognitionError, SynthesisError
from engine.speech.ports import RecognitionOptions, SpeechRecognizer, SpeechSynthesizer, SynthesisRequest, Transcript
from engine.speech.providers.factory import make_recognizer, make_synthesizer

ANSWER_SECONDS: Final = 30.0
"""How long a recogniser or a voice may take, beyond the duration of the audio itself."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What one file said."""

    file: str
    text: str
    audio_seconds: float
    answer_seconds: float
    """From the question for the text to the text."""


def transcribe(settings: Settings, wavs: Sequence[Path], *, as_json: bool = False) -> None:
    """Recognise each file as one utterance and print its text. Raises ConfigurationError, RecognitionError."""
    audio = [(wav, read_wav(wav)) for wav in wavs]  # a wrong file is told before the models load
    asyncio.run(_transcribe(settings, audio, as_json=as_json))


async def _transcribe(settings: Settings, audio: Sequence[tuple[Path, bytes]], *, as_json: bool) -> None:
    language = _language(settings)
    async with _running(make_recognizer(settings)) as recogniser:
        for wav, pcm in audio:
            found = await recognise(recogniser, wav, pcm, language)
            if as_json:
                print(json.dumps(asdict(found), ensure_ascii=False), flush=True)
            else:
                print(f"{wav}: {found.text}  [{found.audio_seconds:.1f} s in {found.answer_seconds:.2f} s]", flush=True)


async def recognise(recogniser: SpeechRecognizer, wav: Path, pcm: bytes, language: str) -> Recognised:
    """One utterance through a session. Raises RecognitionError."""
    options = RecognitionOptions(call_id=f"transcribe {wav.name}", language=language, partials=False)
    async with recogniser.open(options) as session:
        await session.begin(1)
        for start in range(0, len(pcm), FRAME_BYTES):
            await session.audio(pcm[start : start + FRAME_BYTES])
        started = time.monotonic()
        await session.flush(1)
        try:
            async with asyncio.timeout(ANSWER_SECONDS + seconds_of(len(pcm))):
                answer = await _answer(session.results())
        except TimeoutError as error:
            raise RecognitionError(f"{wav}: the recogniser gave no answer") from error
        taken = time.monotonic() - started
        await session.end()
    return Recognised(str(wav), answer.text, round(seconds_of(len(pcm)), 3), round(taken, 3))


async def _answer(results: AsyncIterator[Transcript]) -> Transcript:
    async for transcript in results:
        if transcript.flush == 1:
            return transcript
    raise RecognitionError("the recogniser closed without an answer")


def say(settings: Settings, text: str, out: Path) -> None:
    """Speak ``text`` into a wav as a caller would hear it, its numbers in words.

    Raises ConfigurationError, SynthesisError.
    """
    if not text.strip():
        raise ConfigurationError("there is nothing to say: the text is empty")
    asyncio.run(_say(settings, text, out))


async def _say(settings: Settings, text: str, out: Path) -> None:
    speech, language = settings.speech, _language(settings)
    spell = spelling_of(Playbooks(settings.dialogue.playbook).default, language)
    request = SynthesisRequest(spell(text), speech.voice, language, speech.speed, call_id="say")
    async with _running(make_synthesizer(settings)) as voice:
        pcm, first = await speak(voice, request)
    try:
        write_wav(out, pcm)
    except OSError as error:
        raise ConfigurationError(f"{out}: {error.strerror}") from error
    print(f"{out}: {seconds_of(len(pcm)):.1f} s of speech, first audio after {first * 1000:.0f} ms")


async def speak(voice: SpeechSynthesizer, request: SynthesisRequest) -> tuple[bytes, float]:
    """The audio, and the seconds until its first chunk. Raises SynthesisError."""
    started = time.monotonic()
    first = 0.0
    pcm = bytearray()
    try:
        async with asyncio.timeout(ANSWER_SECONDS + len(request.text)):
            async for chunk in voice.synthesize(request):
                first = first or time.monotonic() - started
                pcm += chunk
    except TimeoutError as error:
        raise SynthesisError("the voice gave no answer") from error
    if not pcm:
        raise SynthesisError("the voice gave no audio")
    return bytes(pcm), first


def _language(settings: Settings) -> str:
    """The first playbook's, as its calls are in it. Raises ConfigurationError."""
    return language_of(Playbooks(settings.dialogue.playbook).default, settings.dialogue.language)


class _Provider(Protocol):
    async def start(self) -> None: ...
    async def check_health(self) -> None: ...
    async def close(self) -> None: ...


P = TypeVar("P", bound=_Provider)


@asynccontextmanager
async def _running(provider: P) -> AsyncIterator[P]:
    try:
        await provider.start()
        await provider.check_health()  # a server that is not there is told as such
        yield provider
    finally:
        await provider.close()
