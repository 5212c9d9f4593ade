"""The small embedded voices: SVOX Pico (Apache-2.0), about twenty times cheaper than Piper and less natural.

English (British and American), German, Spanish, French and Italian. Pico holds Python's lock while it renders (about
20 ms a sentence), so it belongs in a process of its own, not in a call's.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.errors import ConfigurationError, SynthesisError
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.batch_synthesis import BatchSynthesizer, Floats

_RATE: Final = 16000
_VOICES: Final = ("en-GB", "en-US", "de-DE", "es-ES", "fr-FR", "it-IT")
_UNSPOKEN: Final = re.compile(r"[^0-9A-Za-z\u00c0-\u024f .,;:!?'-]+")
"""What Pico has no sound for, its own markup (``<speed level=…>``) among it."""
_LONGEST: Final = 600
"""Characters of one piece; a longer one is no speech."""
_LONG_RUN: Final = re.compile(r"(\d{8}|\S{24})(?=\S)")
"""Pico fails, or never comes back, on words of some hundred letters and on long rows of digits: they are broken up."""


class NanoSynthesizer(BatchSynthesizer):
    """Pico on this machine's CPU (``SpeechSynthesizer``).

    ``voice`` is the default for requests that name none and are in its language. Voices: en-GB, en-US, de-DE, es-ES,
    fr-FR, it-IT. ``lingware`` is a folder with the voices' files; None for those of the package.
    """

    def __init__(self, *, voice: str = "en-GB", lingware: Path | None = None) -> None:
        super().__init__(_PicoVoice(voice, lingware))


class _PicoVoice:
    def __init__(self, voice: str, lingware: Path | None) -> None:
        self._default = voice
        self._lingware = lingware
        self._speak: Any = None

    def load(self) -> None:
        if self._default not in _VOICES:
            raise ConfigurationError(f"nanotts: no voice {self._default!r}; there are {', '.join(_VOICES)}")
        try:
            import py_nanotts  # noqa: PLC0415  late: a native library
        except ImportError as error:
            raise ConfigurationError("nanotts: package py-nanotts is not installed (the extra 'embedded')") from error
        if self._lingware is None:
            self._speak = py_nanotts.NanoTTS().speak
            return
        if not self._lingware.is_dir():
            raise ConfigurationError(f"nanotts: {self._lingware} is not a folder")
        # The package's class knows its own folder only; the function below it takes any.
        self._speak = partial(py_nanotts._speak, pitch=None, volume=None, lingware_path=str(self._lingware))

    def check(self, request: SynthesisRequest) -> None:
        self._voice_for(request)

    def render(self, text: str, request: SynthesisRequest) -> tuple[Floats, int]:
        spoken = _UNSPOKEN.sub(" ", text.replace("’", "'"))
        spoken = " ".join(_LONG_RUN.sub(r"\1 ", spoken).split())
        if not any(character.isalnum() for character in spoken):
            return np.zeros(0, np.float32), _RATE
        if len(spoken) > _LONGEST:
            raise SynthesisError(f"a sentence of {len(spoken)} characters cannot be spoken")
        pcm = self._speak(spoken, voice=self._voice_for(request), speed=min(max(request.speed, 0.5), 2.0))
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768), _RATE

    def _voice_for(self, request: SynthesisRequest) -> str:
        if request.voice:
            if request.voice not in _VOICES:
                raise SynthesisError(f"no voice {request.voice!r}; there are {', '.join(_VOICES)}")
            return request.voice
        if request.language in _VOICES:
            return request.language
        language = request.language.partition("-")[0].lower()
        for voice in (self._default, *_VOICES):
            if voice.startswith(language + "-"):
                return voice
        raise SynthesisError(f"no voice for {request.language}")
