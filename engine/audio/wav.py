"""Wav files: any plain one in, engine audio out, and back."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.audio.format import SAMPLE_RATE
from engine.audio.resample import float_to_engine
from engine.errors import ConfigurationError

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE


def read_wav(path: Path) -> bytes:
    """The file as engine audio: PCM of 8, 16, 24 or 32 bits or float of 32 or 64, any rate, any channels (mixed).

    Raises ConfigurationError, naming the file, where it cannot be read or is not such a wav. A file that was cut off
    yields what is there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    try:
        return decode_wav(data)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def write_wav(path: Path, left: bytes, right: bytes | None = None) -> None:
    """Write engine audio as a 16-bit wav; with ``right`` in stereo, the shorter side filled with silence.

    Raises OSError.
    """
    path.write_bytes(encode_wav(left, right))


def encode_wav(left: bytes, right: bytes | None = None) -> bytes:
    """A 16-bit wav file's content."""
    if right is None:
        body, channels = left, 1
    else:
        length = max(len(left), len(right)) // 2
        both = np.zeros((length, 2), "<i2")
        both[: len(left) // 2, 0] = np.frombuffer(left, "<i2")
        both[: len(right) // 2, 1] = np.frombuffer(right, "<i2")
        body, channels = both.tobytes(), 2
    block = 2 * channels
    header = struct.pack("<4sI4s", b"RIFF", 36 + len(body), b"WAVE")
    header += struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, channels, SAMPLE_RATE, SAMPLE_RATE * block, block, 16)
    return header + struct.pack("<4sI", b"data", len(body)) + body


def decode_wav(data: bytes) -> bytes:
    """A wav file's content as engine audio, as ``read_wav`` does. Raises ValueError."""
    try:
        return _decode(data)
    except struct.error as error:
        raise ValueError(str(error)) from error


def _decode(data: bytes) -> bytes:
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a wav file")
    shape: tuple[int, int, int, int] | None = None
    position = 12
    while position + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
        if kind == b"fmt ":
            coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if coding == _EXTENSIBLE and len(body) >= 26:
                coding = struct.unpack_from("<H", body, 24)[0]
            shape = coding, channels, rate, bits
        elif kind == b"data":
            if shape is None:
                raise ValueError("its data come before its format")
            return _engine_audio(body, *shape)
    raise ValueError("a wav file without data")


def _engine_audio(body: bytes, coding: int, channels: int, rate: int, bits: int) -> bytes:
    if not 1 <= channels <= 64 or not 1000 <= rate <= 768_000:
        raise ValueError(f"{channels} channels at {rate} Hz make no sense")
    body = body[: len(body) // (channels * max(bits // 8, 1)) * channels * max(bits // 8, 1)]
    if coding == _PCM and bits == 16 and channels == 1 and rate == SAMPLE_RATE:
        return body
    samples = _floats(body, coding, bits)
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    return float_to_engine(samples, rate)


def _floats(body: bytes, coding: int, bits: int) -> NDArray[np.float32]:
    full = np.float32(1 << (bits - 1)) if bits else np.float32(1)
    if coding == _PCM and bits == 8:  # the one unsigned width
        return (np.frombuffer(body, np.uint8).astype(np.float32) - 128) / full
    if coding == _PCM and bits in {16, 32}:
        return np.frombuffer(body, f"<i{bits // 8}").astype(np.float32) / full
    if coding == _PCM and bits == 24:
        widened = np.zeros((len(body) // 3, 4), np.uint8)
        widened[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        return widened.view("<i4").ravel().astype(np.float32) / np.float32(1 << 31)
    if coding == _FLOAT and bits in {32, 64}:
        samples = np.frombuffer(body, f"<f{bits // 8}").astype(np.float32)
        return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    raise ValueError(f"coding {coding} with {bits} bits is not supported (PCM 8/16/24/32, float 32/64)")
