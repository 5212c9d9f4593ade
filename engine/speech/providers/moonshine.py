"""The embedded recogniser: Moonshine on this machine's CPU, for English."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.audio.resample import engine_to_float
from engine.errors import RecognitionError
from engine.speech.ports import RecognitionOptions, RecognitionSession
from engine.speech.providers.audible import is_audible
from engine.speech.providers.decode_queue import Decoded, DecodeQueue, Stop
from engine.speech.providers.hints import HintTree
from engine.speech.providers.moonshine_model import SAMPLE_RATE as MODEL_RATE
from engine.speech.providers.moonshine_model import MoonshineModel, packaged_moonshine

_LEAD_SECONDS: Final = 0.1
_TAIL_SECONDS: Final = 0.2
"""Silence put round an utterance: of the amounts tried on telephone clips (0 to 0.5 s) this gave the fewest errors."""

_HEALTH_TIMEOUT: Final = 5.0
_PLAYBOOKS: Final = 32
"""Sets of hints kept ready, at most."""


class MoonshineRecognizer:
    """One network shared by the calls of the process (``SpeechRecognizer``).

    ``model`` is a folder as described in ``moonshine_model``; None for the packaged English one. ``workers`` threads
    decode at once; the network is one-threaded in each.
    """

    def __init__(self, *, model: Path | None = None, language: str = "en", workers: int = 1) -> None:
        self._folder = model
        self._language = language
        self._workers = workers
        self._network: MoonshineModel | None = None
        self._queue: DecodeQueue | None = None
        self._hints: dict[tuple[str, ...], HintTree] = {}

    async def start(self) -> None:
        if self._queue is not None:
            return
        folder = self._folder if self._folder is not None else packaged_moonshine()
        self._network = await asyncio.to_thread(MoonshineModel, folder)
        self._queue = DecodeQueue(self._decode, workers=self._workers)
        # The first run of a session allocates; no caller should wait for that.
        await self.check_health()

    async def check_health(self) -> None:
        queue = self._started()
        hum = np.sin(np.arange(SAMPLE_RATE) * 0.1) * 3000
        try:
            async with asyncio.timeout(_HEALTH_TIMEOUT):
                await queue.decode(hum.astype("<i2").tobytes())
        except TimeoutError as error:
            raise RecognitionError(f"a second of audio took more than {_HEALTH_TIMEOUT:.0f} s") from error

    @asynccontextmanager
    async def open(self, options: RecognitionOptions) -> AsyncIterator[RecognitionSession]:
        if options.language.partition("-")[0].lower() != self._language:
            raise RecognitionError(f"this recogniser speaks {self._language}, not {options.language}")
        session = self._started().session(options)
        try:
            yield session
        finally:
            session.close()

    async def close(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            await queue.close()
        self._network = None

    def _started(self) -> DecodeQueue:
        if self._queue is None:
            raise RecognitionError("the recogniser is not started")
        return self._queue

    def _decode(self, pcm: bytes, options: RecognitionOptions, stop: Stop) -> Decoded | None:
        network = self._network
        if network is None or not is_audible(pcm):
            return Decoded("", None)
        padded = _silence(_LEAD_SECONDS) + pcm + _silence(_TAIL_SECONDS)
        hints = self._hints_for(network, options.hints) if options.hints else None
        return network.transcribe(engine_to_float(padded, MODEL_RATE), stop, hints)

    def _hints_for(self, network: MoonshineModel, words: tuple[str, ...]) -> HintTree:
        """Playbooks are few and their hints the same in every call."""
        tree = self._hints.get(words)
        if tree is None:
            if len(self._hints) >= _PLAYBOOKS:
                self._hints.clear()
            tree = self._hints[words] = network.hints(words)
        return tree


def _silence(seconds: float) -> bytes:
    return bytes(int(seconds * SAMPLE_RATE) * SAMPLE_BYTES)
