"""Wav files of every plain kind."""

from __future__ import annotations

import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.audio.wav import read_wav, write_wav
from engine.errors import ConfigurationError

TONE: NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def wav(
    body: bytes, *, coding: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, before: bytes = b""
) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", coding, channels, rate, rate * block, block, bits)
    chunks = before + chunk(b"fmt ", form) + chunk(b"data", body)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def coded(bits: int, coding: int) -> bytes:
    values: NDArray[Any]
    if coding == 3:
        values = TONE.astype(f"<f{bits // 8}")
    elif bits == 8:
        values = (np.rint(TONE * 127) + 128).astype(np.uint8)
    elif bits == 24:
        values = np.rint(TONE * (2**31 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:]
    else:
        values = np.rint(TONE * (2 ** (bits - 1) - 1)).astype(f"<i{bits // 8}")
    return values.tobytes()


@pytest.mark.parametrize(("bits", "coding"), [(8, 1), (16, 1), (24, 1), (32, 1), (32, 3), (64, 3)])
def test_every_width_is_read(tmp_path: Path, bits: int, coding: int) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(wav(coded(bits, coding), bits=bits, coding=coding))
    got = np.frombuffer(read_wav(path), "<i2") / 32768
    assert np.abs(got - TONE).max() < (0.01 if bits == 8 else 0.001)


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000])
def test_every_rate_is_read(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.wav"
    tone = np.rint(16000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2")
    path.write_bytes(wav(tone.tobytes(), rate=rate))
    got = np.frombuffer(read_wav(path), "<i2").astype(np.float64)
    assert len(got) == pytest.approx(8000, abs=2)
    spectrum = np.abs(np.fft.rfft(got[:8000] * np.hanning(len(got[:8000]))))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)


def test_channels_are_mixed(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    both = np.stack([np.full(100, 1000), np.full(100, 3000)], axis=1).astype("<i2")
    path.write_bytes(wav(both.tobytes(), channels=2))
    assert np.frombuffer(read_wav(path), "<i2").tolist() == [2000] * 100


def test_other_chunks_and_the_extensible_format_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    form = struct.pack("<HHIIHH", 0xFFFE, 1, 8000, 16000, 2, 16) + struct.pack("<HHI", 22, 16, 4)
    form += struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    chunks = chunk(b"LIST", b"odd") + chunk(b"fmt ", form) + chunk(b"data", b"\x01\x00\x02\x00")
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks)
    assert read_wav(path) == b"\x01\x00\x02\x00"


def test_a_file_cut_short_yields_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav(bytes(range(100)))[:-31])
    assert read_wav(path) == bytes(range(68))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"ID3 this is another kind of file",
        wav(b"\0\0", coding=6),
        wav(b"\0\0", bits=12),
        wav(b"\0\0", bits=0),
        wav(b"\0\0", channels=0),
        wav(b"\0\0", rate=0),
        wav(b"")[:36],
        b"RIFF\x0c\0\0\0WAVE" + chunk(b"data", b"\0\0"),
        b"RIFF\x0c\0\0\0WAVE" + chunk(b"fmt ", b"\1\0"),
    ],
)
def test_what_is_no_wav_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "greeting.wav"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"greeting\.wav"):
        read_wav(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"greeting\.wav"):
        read_wav(tmp_path / "greeting.wav")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    pcm = np.arange(-500, 500, dtype="<i2").tobytes()
    write_wav(tmp_path / "mono.wav", pcm)
    assert read_wav(tmp_path / "mono.wav") == pcm
    with wave.open(str(tmp_path / "mono.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 8000, 1000)


def test_stereo_keeps_the_sides_apart(tmp_path: Path) -> None:
    left, right = np.full(10, 7, "<i2"), np.full(4, -9, "<i2")
    write_wav(tmp_path / "both.wav", left.tobytes(), right.tobytes())
    with wave.open(str(tmp_path / "both.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 10)
        both = np.frombuffer(file.readframes(10), "<i2").reshape(-1, 2)
    assert both[:, 0].tolist() == [7] * 10
    assert both[:, 1].tolist() == [-9] * 4 + [0] * 6
