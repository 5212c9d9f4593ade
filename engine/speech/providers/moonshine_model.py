"""Moonshine (https://github.com/usefulsensors/moonshine, MIT) run directly by onnxruntime: audio in, text out.

Wants a folder with ``encoder_model.ort``, ``decoder_model_merged.ort`` (or the same as ``.onnx``) and
``tokenizer.bin``; the package ``moonshine-voice`` brings one for English. Blocking and CPU-bound: called from a worker
thread. ``onnxruntime`` is imported when a model is made, not with this module.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from math import ceil, exp
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigurationError
from engine.speech.providers.decode_queue import Decoded, Stop
from engine.speech.providers.hints import HintTree
from engine.speech.providers.onnx_session import quiet_session

SAMPLE_RATE: Final = 16000

_START: Final = 1
_END: Final = 2
_TOKENS_PER_SECOND: Final = 6.5
"""More than this is no speech but a loop of the decoder."""
_MINIMUM_TOKENS: Final = 6


def packaged_moonshine() -> Path:
    """The folder with the English model of ``moonshine-voice``. Raises ConfigurationError where it is missing."""
    # Located, not imported: the package loads a native library of its own.
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("moonshine: package moonshine-voice is not installed (the extra 'embedded')")
    return Path(spec.submodule_search_locations[0]) / "assets" / "tiny-en"


class MoonshineModel:
    """The network and its greedy decoder. Several threads may call it at once.

    Raises ConfigurationError where the folder holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        self._encoder = quiet_session(_either(folder, "encoder_model"))
        self._decoder = quiet_session(_either(folder, "decoder_model_merged"))
        self._vocabulary = _read_vocabulary(folder / "tokenizer.bin")
        caches = [
            (argument.name, argument.shape)
            for argument in self._decoder.get_inputs()
            if argument.name.startswith("past_key_values.")
        ]
        if not caches:
            raise ConfigurationError(f"moonshine: {folder}: the decoder has no key-value cache")
        self._past = [name for name, _ in caches]
        self._present = [name.replace("past_key_values.", "present.") for name in self._past]
        self._own = [index for index, name in enumerate(self._past) if ".decoder." in name]
        self._step_outputs = ["logits", *(self._present[index] for index in self._own)]
        self._empty = [np.zeros((1, shape[1], 0, shape[3]), np.float32) for _, shape in caches]
        self._takes_encoder_mask = any(
            argument.name == "encoder_attention_mask" for argument in self._decoder.get_inputs()
        )

    def hints(self, words: Sequence[str]) -> HintTree:
        """``words`` as ``transcribe`` takes them."""
        return HintTree(words, {piece: token for token, piece in enumerate(self._vocabulary)})

    def transcribe(
        self, audio: NDArray[np.float32], stop: Stop = lambda: False, hints: HintTree | None = None
    ) -> Decoded | None:
        """Float audio at 16 kHz, a tenth of a second to about half a minute, to text; None when ``stop`` said so.

        The confidence is the geometric mean of the chosen tokens' probabilities.
        """
        seconds = len(audio) / SAMPLE_RATE
        mask = np.ones((1, len(audio)), np.int64)
        encoded = self._encoder.run(["last_hidden_state"], {"input_values": audio[np.newaxis], "attention_mask": mask})[
            0
        ]
        feed: dict[str, Any] = {
            "encoder_hidden_states": encoded,
            "input_ids": np.array([[_START]], np.int64),
            "use_cache_branch": np.array([False]),
            **dict(zip(self._past, self._empty, strict=True)),
        }
        if self._takes_encoder_mask:  # of samples, not of encoded frames: the graph thins it out itself
            feed["encoder_attention_mask"] = mask
        # The first step also computes the caches of the encoder's side, which stay.
        logits, *caches = self._decoder.run(["logits", *self._present], feed)
        feed.update(zip(self._past, caches, strict=True))
        feed["use_cache_branch"] = np.array([True])
        tokens: list[int] = []
        begun: list[int] = []
        surprise = 0.0
        limit = max(_MINIMUM_TOKENS, ceil(seconds * _TOKENS_PER_SECOND))
        while True:
            scores = logits[0, -1]
            token = int((scores if hints is None else hints.favour(scores, begun)).argmax())
            surprise += float(np.log(np.exp(scores - scores[token]).sum()))
            if token == _END:
                break
            tokens.append(token)
            if hints is not None:
                begun = hints.advance(begun, token)
            if len(tokens) >= limit:
                break
            if stop():
                return None
            feed["input_ids"] = np.array([[token]], np.int64)
            logits, *caches = self._decoder.run(self._step_outputs, feed)
            for index, cache in zip(self._own, caches, strict=True):
                feed[self._past[index]] = cache
        return Decoded(text=self._text(tokens), confidence=exp(-surprise / (len(tokens) + 1)))

    def _text(self, tokens: list[int]) -> str:
        pieces = b"".join(self._vocabulary[token] for token in tokens if token > _END)
        return " ".join(pieces.decode("utf-8", "ignore").replace("\u2581", " ").split())


def _either(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.ort"
    return packed if packed.is_file() else folder / f"{name}.onnx"


def _read_vocabulary(path: Path) -> list[bytes]:
    """Entries of one length byte and so many bytes of text; an entry's place is its token."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"moonshine: {path}: {error.strerror}") from error
    vocabulary = []
    position = 0
    while position < len(blob):
        length = blob[position]
        if length >= 128 or position + 1 + length > len(blob):
            raise ConfigurationError(f"moonshine: {path}: not a vocabulary")
        vocabulary.append(blob[position + 1 : position + 1 + length])
        position += 1 + length
    return vocabulary
