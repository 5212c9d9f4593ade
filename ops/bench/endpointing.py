"""How long the engine waits after a finished sentence, and how often it takes a pause for the end of one.

Works on audio time, without an engine: the embedded voice speaks sentences in parts as callers pause in them, the same
voice activity, turn detector, recogniser and rules as in a call decide when the turn is over.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE, seconds_of
from engine.audio.silero import SileroWeights, load_weights, prepare_weights
from engine.audio.vad import VoiceActivity
from engine.config import Settings
from engine.dialogue.endpointing import wait_factor
from engine.dialogue.turns import WINDOW_SECONDS, Turn, TurnDetector
from engine.speech.ports import RecognitionOptions, RecognitionSession, SynthesisRequest
from engine.speech.providers.moonshine import MoonshineRecognizer
from engine.speech.providers.piper import PiperSynthesizer
from ops.bench.report import Report
from ops.bench.statistics import Summary
from ops.heard import voiced_span

PAUSES: Final = (0.15, 0.25, 0.35, 0.45)
"""Seconds that a caller hesitates within a sentence."""
RECOGNITION_SECONDS: Final = 0.1
"""From the pause to its text."""
CUTS_AT_MOST: Final = 5.0
MEDIAN_WITHIN_MS: Final = 450.0
_SENTENCES: Final = Path(__file__).with_name("endpointing.txt")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a caller says, with a pause in it or none. Times in seconds of its audio."""

    pcm: bytes
    end: float
    """When its last voiced sample is over."""
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """When the turn was held to be over, and on what text."""

    at: float
    text: str


async def measure(report: Report, settings: Settings, progress: Callable[[str], None]) -> None:
    """Fills the report."""
    report.declared = {
        "endpointing": f"{settings.dialogue.endpointing_ms} ms of silence",
        "pauses": ", ".join(f"{pause * 1000:.0f}" for pause in PAUSES) + " ms",
        "recogniser": f"embedded, its text {RECOGNITION_SECONDS * 1000:.0f} ms after the pause",
    }
    voice, recognizer = PiperSynthesizer(), MoonshineRecognizer()
    await voice.start()
    await recognizer.start()
    sentences = [line.split("|") for line in _SENTENCES.read_text("utf-8").splitlines() if line.strip()]
    progress(f"{len(sentences)} sentences")
    cuts: dict[float, list[bool]] = {pause: [] for pause in PAUSES}
    delays: list[float] = []
    examples: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        weights = load_weights(prepare_weights(Path(folder)))
        async with recognizer.open(RecognitionOptions("endpointing", partials=False)) as session:
            listener = _Listener(session, weights, settings)
            for number, parts in enumerate(sentences):
                spoken = [await _spoken(voice, part.strip()) for part in parts]
                for said in utterances(spoken, number):
                    ended = await listener.listen(said)
                    cut = ended.at < said.end
                    if said.pause:
                        cuts[said.pause].append(cut)
                    elif not cut:
                        delays.append(ended.at - said.end)
                    if cut:
                        examples.append({"pause ms": said.pause * 1000, "cut after": ended.text})
    await recognizer.close()
    await voice.close()
    every = [cut for some in cuts.values() for cut in some]
    report.add("sentences", len(sentences), at_least=40)
    report.add("pauses taken for the end", 100 * sum(every) / len(every), "%", at_most=CUTS_AT_MOST)
    for pause, some in cuts.items():
        report.add(f"… of {pause * 1000:.0f} ms", 100 * sum(some) / len(some), "%")
    summary = Summary.of(delays)
    report.add_times("end of a finished sentence → end of the turn,", {"p50": summary.p50}, p50=MEDIAN_WITHIN_MS)
    report.add_times("end of a finished sentence → end of the turn,", {"p95": summary.p95})
    report.tables["Cut off"] = examples


def utterances(parts: Sequence[bytes], number: int) -> Iterator[Utterance]:
    """The sentence said in one go, then with each pause, at another of its joints each time."""
    whole = b"".join(parts)
    yield Utterance(whole, _voiced(whole))
    if len(parts) < 2:
        return
    for turn, pause in enumerate(PAUSES):
        joint = 1 + (number + turn) % (len(parts) - 1)
        pcm = b"".join(parts[:joint]) + _silence(pause) + b"".join(parts[joint:])
        yield Utterance(pcm, _voiced(pcm), pause)


class _Listener:
    """Hears one utterance after the other, as a call does."""

    def __init__(self, session: RecognitionSession, weights: SileroWeights, settings: Settings) -> None:
        self._session = session
        self._results = session.results()
        self._weights = weights
        self._dialogue = settings.dialogue
        self._number = 0

    async def listen(self, said: Utterance) -> Ended:
        """Until the turn is held to be over."""
        dialogue = self._dialogue
        detector = TurnDetector(
            threshold=dialogue.vad_threshold,
            pause_seconds=dialogue.pause_ms / 1000,
            endpoint_seconds=dialogue.endpointing_ms / 1000,
            barge_in_seconds=dialogue.barge_in_ms / 1000,
        )
        lead = _silence(0.5)
        audio = lead + said.pcm + _silence(4.0)
        text, text_at = "", -1.0
        for index, (probability, level) in enumerate(VoiceActivity(self._weights).windows(audio)):
            now = (index + 1) * WINDOW_SECONDS
            if 0 <= text_at <= now:
                detector.endpoint_seconds *= wait_factor(text, broke_off=detector.broke_off)
                text_at = -1.0
            turn = detector.feed(probability, level)
            if turn is Turn.PAUSE:
                text = await self._text(audio[: int(now * SAMPLE_RATE) * SAMPLE_BYTES])
                text_at = now + RECOGNITION_SECONDS
            elif turn is Turn.ENDPOINT:
                return Ended(now - seconds_of(len(lead)), text)
            elif turn is not None:
                text_at = -1.0
        return Ended(seconds_of(len(audio)), text)

    async def _text(self, pcm: bytes) -> str:
        self._number += 1
        await self._session.begin(self._number)
        await self._session.audio(pcm)
        await self._session.flush(1)
        async for transcript in self._results:
            if transcript.utterance == self._number and transcript.flush == 1:
                return transcript.text
        return ""


async def _spoken(voice: PiperSynthesizer, text: str) -> bytes:
    """Without the silence round it."""
    pcm = b"".join([chunk async for chunk in voice.synthesize(SynthesisRequest(text))])
    span = voiced_span(pcm)
    return pcm if span is None else pcm[span[0] * SAMPLE_BYTES : (span[1] + 1) * SAMPLE_BYTES]


def _voiced(pcm: bytes) -> float:
    span = voiced_span(pcm)
    return 0.0 if span is None else span[1] / SAMPLE_RATE


def _silence(seconds: float) -> bytes:
    return bytes(int(seconds * SAMPLE_RATE) * SAMPLE_BYTES)
