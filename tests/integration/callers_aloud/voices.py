"""What callers sound like: sentences by the embedded voices, noise on the line."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.agent.speakable import spell_out
from engine.audio.format import SAMPLE_RATE
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.nanotts import NanoSynthesizer
from engine.speech.providers.piper import PiperSynthesizer
from ops.speech import speak

EDGE = b"\0\0" * (SAMPLE_RATE // 10)
"""A tenth of a second of silence, as callers have it round what they say."""


class Voices:
    """Speaks the callers' sentences, each once; they are kept as long as this lives."""

    def __init__(self) -> None:
        self._english = PiperSynthesizer()
        self._foreign = NanoSynthesizer()
        self._said: dict[str, bytes] = {}

    async def start(self) -> None:
        await self._english.start()
        await self._foreign.start()

    async def close(self) -> None:
        await self._english.close()
        await self._foreign.close()

    async def prepare(self, texts: Iterable[str]) -> None:
        """Speak them now, so that no caller waits for his own voice."""
        for text in texts:
            await self.say(text)

    async def say(self, text: str) -> bytes:
        """Engine audio of ``text``; "de: Guten Tag" is said in German."""
        if text not in self._said:
            language, colon, words = text.partition(": ")
            foreign = bool(colon) and len(language) == 2
            request = SynthesisRequest(
                words if foreign else spell_out(text, "en"), "", language if foreign else "en", 1.0, call_id="caller"
            )
            pcm, _ = await speak(self._foreign if foreign else self._english, request)
            self._said[text] = EDGE + pcm + EDGE
        return self._said[text]


def noisy(pcm: bytes, decibels: float, seed: int) -> bytes:
    """``pcm`` in pink noise, so many dB below the speech."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft(generator.normal(size=len(samples)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1.0), len(samples))
    speech = np.sqrt(np.mean(np.square(samples[np.abs(samples) > 300])))
    noise *= speech / 10 ** (decibels / 20) / np.sqrt(np.mean(np.square(noise)))
    return np.clip(samples + noise, -32768, 32767).astype("<i2").tobytes()
