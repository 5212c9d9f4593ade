"""Resampling and µ-law."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.audio.resample import (
    StreamResampler,
    engine_to_float,
    float_to_engine,
    from_engine,
    to_engine,
)
from tests.speech_clips import clip, frames

RATES = [12000, 16000, 24000, 32000, 44100, 48000, 96000, 192000]


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 10000) -> bytes:
    time = np.arange(int(rate * seconds)) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * time)).astype("<i2").tobytes()


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def level(pcm: bytes) -> float:
    """Decibels against a tone of amplitude 10000."""
    return float(20 * np.log10(np.sqrt(np.square(samples(pcm)[400:-400]).mean()) / (10000 / np.sqrt(2)) + 1e-9))


@pytest.mark.parametrize("rate", RATES)
def test_each_frame_gives_its_twenty_milliseconds(rate: int) -> None:
    stream = StreamResampler(rate, 8000)
    assert [len(stream.feed(bytes(2 * rate // 50))) for _ in range(50)] == [320] * 50


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency", [300, 1000, 3400])
def test_the_telephone_band_passes(rate: int, frequency: int) -> None:
    assert level(StreamResampler(rate, 8000).feed(tone(frequency, rate))) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("frequency", [4600, 5500, 7000])
def test_what_is_above_is_not_folded_into_it(rate: int, frequency: int) -> None:
    assert level(StreamResampler(rate, 8000).feed(tone(frequency, rate))) < -55


@pytest.mark.parametrize("rate", [12000, 16000, 44100])
@given(cuts=st.lists(st.integers(0, 1800), max_size=12))
def test_pieces_make_no_seam(rate: int, cuts: list[int]) -> None:
    pcm = tone(700, rate, 0.05)
    stream = StreamResampler(rate, 8000)
    edges = [0, *sorted(2 * cut for cut in cuts if 2 * cut <= len(pcm)), len(pcm)]
    pieces = b"".join(stream.feed(pcm[a:b]) for a, b in pairwise(edges))
    assert np.abs(samples(pieces) - samples(StreamResampler(rate, 8000).feed(pcm))).max() <= 1


@pytest.mark.parametrize("rate", RATES)
def test_there_and_back(rate: int) -> None:
    pcm = tone(1000, 8000, 0.5)
    up, down = StreamResampler(8000, rate), StreamResampler(rate, 8000)
    pieces = b"".join(down.feed(up.feed(frame)) for frame in frames(pcm))
    assert len(pieces) == len(pcm)
    assert level(pieces) == pytest.approx(0, abs=0.2)
    back = samples(pieces)
    spectrum = np.abs(np.fft.rfft(back[400:-400] * np.hanning(len(back) - 800)))
    assert np.argmax(spectrum) == pytest.approx(1000 * (len(back) - 800) / 8000, abs=1)


def test_the_same_rate_passes_through() -> None:
    assert StreamResampler(8000, 8000).feed(b"\x01\x02") == b"\x01\x02"


@pytest.mark.parametrize("rate", [8000, 16000])
def test_half_a_sample_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="multiple"):
        StreamResampler(rate, 8000).feed(b"\x01")


def test_reset_starts_a_new_stream() -> None:
    stream = StreamResampler(16000, 8000)
    first = stream.feed(tone(500, 16000, 0.1))
    stream.reset()
    assert stream.feed(tone(500, 16000, 0.1)) == first


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_whole_pieces_keep_their_length_and_sound(rate: int) -> None:
    pcm = clip("yes")
    other = from_engine(pcm, rate)
    assert len(other) == pytest.approx(len(pcm) * rate / 8000, abs=4)
    back = to_engine(other, rate)[: len(pcm)]
    difference = samples(back) - samples(pcm)[: len(back) // 2]
    assert np.sqrt(np.square(difference).mean()) < 0.02 * np.abs(samples(pcm)).max()


@pytest.mark.parametrize("rate", [8000, 16000])
def test_nothing_stays_nothing(rate: int) -> None:
    assert to_engine(b"", rate) == from_engine(b"", rate) == b""
    assert float_to_engine(engine_to_float(b"", rate), rate) == b""


def test_floats_are_clipped_not_wrapped() -> None:
    loud = np.array([2.0, -2.0, 1.0, -1.0, 0.0], np.float32)
    assert samples(float_to_engine(loud, 8000)).tolist() == [32767, -32768, 32767, -32768, 0]


def test_soxr_is_loaded_only_by_a_whole_piece() -> None:
    code = (
        "import sys; import engine.audio.resample as r; r.StreamResampler(16000, 8000).feed(bytes(640));"
        "assert 'soxr' not in sys.modules; r.to_engine(bytes(640), 16000);"
        "assert 'soxr' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
