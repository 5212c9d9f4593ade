"""µ-law: the tables of G.711, and telling it from PCM by its bytes."""

from __future__ import annotations

import math
import random
import wave
from array import array
from pathlib import Path

import pytest

from engine.audio.mulaw import MuLawDetector, decode_mulaw, encode_mulaw, looks_like_mulaw

DEMO = Path(__file__).parents[2] / "ops" / "demo"
CLIPS = sorted(DEMO.glob("*.wav"))


def pcm(samples: list[int]) -> bytes:
    return array("h", [max(-32768, min(32767, sample)) for sample in samples]).tobytes()


def speech(path: Path, gain: float = 1.0) -> bytes:
    with wave.open(str(path)) as clip:
        samples = array("h", clip.readframes(clip.getnframes()))
    return pcm([round(sample * gain) for sample in samples])


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]


def groups(payloads: list[bytes], size: int = 10) -> list[list[bytes]]:
    return [payloads[at : at + size] for at in range(0, len(payloads) - size + 1, size)]


def test_codes_of_g711() -> None:
    assert decode_mulaw(b"\xff\x7f\x00\x80\xfe\x7e") == pcm([0, 0, -32124, 32124, 8, -8])
    assert encode_mulaw(pcm([0, -32768, 32767, 8, -8])) == b"\xff\x00\x80\xfe\x7e"


def test_every_code_survives_the_round_trip() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # 0x7f and 0xff both are nought
    assert encode_mulaw(decode_mulaw(codes)) == codes


def test_quantisation_follows_the_level() -> None:
    samples = list(range(-32000, 32001, 37))
    back = array("h", decode_mulaw(encode_mulaw(pcm(samples))))
    assert all(abs(a - b) <= max(4, abs(a) / 16) for a, b in zip(samples, back, strict=True))


def test_there_are_clips() -> None:
    assert len(CLIPS) >= 6


@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("gain", [0.02, 0.3, 1.0, 6.0])
def test_speech_in_mulaw_is_recognised_and_in_pcm_is_not(path: Path, gain: float) -> None:
    audio = speech(path, gain)
    coded = encode_mulaw(audio)
    for group in groups(cut(coded, 160)):  # 20 ms, with and without a clock
        assert looks_like_mulaw(group, 0.2)
        assert looks_like_mulaw(group, None)
    for size in (320, 480, 160):  # 20, 30 and 10 ms of PCM
        for group in groups(cut(audio, size)):
            assert not looks_like_mulaw(group, len(group) * size / 16000)
            assert not looks_like_mulaw(group, None)
    for group in groups(cut(coded, 240)):  # 30 ms
        assert looks_like_mulaw(group, 0.3)


@pytest.mark.parametrize("payload", [b"\xff" * 160, b"\x7f" * 160, b"\xff\x7f" * 80, b"\xff\xfe\x7f\x7e" * 40])
def test_silence_in_mulaw(payload: bytes) -> None:
    assert looks_like_mulaw([payload] * 10, 0.2)
    assert looks_like_mulaw([payload] * 10, None)


@pytest.mark.parametrize("value", [0, -1, 8, -8, 255, 4112, -32768, 32767])
def test_constant_pcm_at_20_ms_is_never_mulaw(value: int) -> None:
    payload = pcm([value] * 160)
    assert not looks_like_mulaw([payload] * 10, 0.2)
    assert not looks_like_mulaw([payload] * 10, None)


@pytest.mark.parametrize("level", [1, 2, 30, 1000, 12_000, 32_767])
@pytest.mark.parametrize("frequency", [None, 300, 1004, 3300])
def test_noise_and_tones(level: int, frequency: int | None) -> None:
    source = random.Random(level)
    samples = [
        source.randint(-level, level)
        if frequency is None
        else round(level * math.sin(math.tau * frequency * at / 8000))
        for at in range(1600)
    ]
    audio = pcm(samples)
    assert not looks_like_mulaw(cut(audio, 320), 0.2)
    assert not looks_like_mulaw(cut(audio, 320), None)
    if level <= (12_000 if frequency else 1000):  # nearer full scale, noise and high tones are noise in either coding
        assert looks_like_mulaw(cut(encode_mulaw(audio), 160), 0.2)


def test_nothing_is_not_mulaw() -> None:
    assert not looks_like_mulaw([], None)
    assert not looks_like_mulaw([b"", b""], 1.0)


def test_detector_decides_once() -> None:
    payloads = cut(encode_mulaw(speech(CLIPS[0])), 160)
    detector = MuLawDetector()
    verdicts = [detector.add(payload, at * 0.02) for at, payload in enumerate(payloads)]
    assert verdicts[-1] is True
    first = verdicts.index(True)
    assert verdicts[:first] == [None] * first
    assert set(verdicts[first:]) == {True}
    assert detector.add(bytes(160)) is True


def test_detector_knows_pcm_from_the_first_frame_of_silence() -> None:
    detector = MuLawDetector()
    assert detector.add(bytes(320), 0.0) is False


def test_detector_waits_in_silence_for_more_but_not_for_ever() -> None:
    detector = MuLawDetector(payloads=10, patience=25)
    verdicts = [detector.add(b"\xff" * 160, at * 0.02) for at in range(25)]
    assert verdicts[:24] == [None] * 24
    assert verdicts[24] is True


def test_detector_without_a_clock() -> None:
    detector = MuLawDetector()
    for payload in cut(speech(CLIPS[0]), 320)[40:60]:
        detector.add(payload)
    assert detector.mulaw is False


def reference(code: int) -> int:
    """Written from the recommendation's table: eight segments, each twice as wide as the one before."""
    code = ~code & 0xFF
    segment, step = code >> 4 & 7, code & 15
    magnitude = ((2 * step + 33) << (segment + 2)) - 132
    return -magnitude if code & 0x80 else magnitude


def test_every_code_is_decoded_as_the_recommendation_says() -> None:
    assert list(array("h", decode_mulaw(bytes(range(256))))) == [reference(code) for code in range(256)]
