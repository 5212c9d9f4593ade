"""The AudioSocket codec: every frame, in every piece, from every place in a stream."""

from __future__ import annotations

import random
import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.audiosocket import (
    AUDIO_RATES,
    HANGUP_FRAME,
    SILENCE_FRAME,
    Decoder,
    Frame,
    Kind,
    encode,
    encode_audio,
)
from engine.audio.format import SILENCE
from engine.errors import AudioSocketError

KINDS = {int(kind) for kind in Kind}


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    kind = draw(st.sampled_from(sorted(KINDS)))
    if kind == Kind.UUID:
        return Frame(kind, draw(st.binary(min_size=16, max_size=16)))
    if kind == Kind.DTMF:
        return Frame(kind, draw(st.sampled_from([bytes([key]) for key in b"0123456789*#ABCD"])))
    if kind in AUDIO_RATES:
        payload = draw(st.binary(max_size=700))
        return Frame(kind, payload if kind == Kind.AUDIO_8K else payload[: len(payload) & ~1])
    return Frame(kind, draw(st.binary(max_size=16)))


def wire(sent: list[Frame]) -> bytes:
    return b"".join(encode(frame.kind, frame.payload) for frame in sent)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def test_known_bytes() -> None:
    assert encode(Kind.HANGUP) == HANGUP_FRAME == b"\0\0\0"
    assert encode(Kind.DTMF, b"5") == b"\x03\x00\x015"
    assert encode_audio(SILENCE) == SILENCE_FRAME == b"\x10\x01\x40" + bytes(320)
    call = uuid.UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
    assert encode(Kind.UUID, call.bytes) == bytes([1, 0, 16, *range(15, -1, -1)])


def test_a_payload_beyond_the_length_field_is_refused() -> None:
    assert len(encode(Kind.AUDIO_8K, bytes(65535))) == 65538
    with pytest.raises(AudioSocketError):
        encode(Kind.AUDIO_8K, bytes(65536))


@given(st.lists(frames(), max_size=12), st.lists(st.integers(0, 10_000), max_size=12))
def test_round_trip_in_any_pieces(sent: list[Frame], places: list[int]) -> None:
    decoder = Decoder()
    received: list[Frame] = []
    for piece in cut(wire(sent), places):
        received += decoder.feed(piece)
    assert received == sent
    assert decoder.pending == 0


@given(st.lists(frames(), max_size=6))
def test_round_trip_byte_by_byte_and_from_a_memoryview(sent: list[Frame]) -> None:
    decoder = Decoder()
    data = bytearray(wire(sent))
    received: list[Frame] = []
    for at in range(len(data)):
        received += decoder.feed(memoryview(data)[at : at + 1])
    assert received == sent
    data[:] = bytes(len(data))  # the reader's buffer is used again: payloads must be copies
    assert received == sent
    assert Decoder().feed(memoryview(wire(sent))) == sent


def test_half_a_frame_is_pending_and_never_returned() -> None:
    decoder = Decoder()
    assert decoder.feed(SILENCE_FRAME + SILENCE_FRAME[:200]) == [Frame(0x10, SILENCE)]
    assert decoder.pending == 200
    assert decoder.feed(b"") == []
    assert decoder.feed(SILENCE_FRAME[200:]) == [Frame(0x10, SILENCE)]
    assert decoder.pending == 0


def test_the_largest_frame() -> None:
    payload = random.Random(1).randbytes(65535)
    decoder = Decoder()
    data = encode(Kind.AUDIO_8K, payload)
    assert [frame for at in range(0, len(data), 997) for frame in decoder.feed(data[at : at + 997])] == [
        Frame(0x10, payload)
    ]


def test_a_limit_on_payloads_is_kept_before_the_payload_comes() -> None:
    decoder = Decoder(max_payload=4096)
    assert decoder.feed(encode(Kind.AUDIO_48K, bytes(4096))) == [Frame(0x16, bytes(4096))]
    with pytest.raises(AudioSocketError, match="4098"):
        decoder.feed(b"\x16\x10\x02")
    assert decoder.pending == 0


@pytest.mark.parametrize("kind", [kind for kind in range(256) if kind not in KINDS])
def test_a_kind_nobody_has_defined_is_refused(kind: int) -> None:
    decoder = Decoder()
    with pytest.raises(AudioSocketError, match=f"0x{kind:02x}"):
        decoder.feed(bytes([kind, 0, 0]))


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (Kind.UUID, 15),
        (Kind.UUID, 17),
        (Kind.UUID, 0),
        (Kind.DTMF, 0),
        (Kind.DTMF, 2),
        (Kind.HANGUP, 17),
        (Kind.ERROR, 17),
        (Kind.AUDIO_12K, 479),
        (Kind.AUDIO_16K, 641),
        (Kind.AUDIO_192K, 1),
    ],
)
def test_a_length_that_cannot_be_is_refused(kind: int, size: int) -> None:
    with pytest.raises(AudioSocketError, match=str(size)):
        Decoder().feed(encode(kind, bytes(size)))


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.AUDIO_8K, b""),
        (Kind.AUDIO_16K, b""),
        (Kind.AUDIO_8K, bytes(480)),
        (Kind.AUDIO_8K, bytes(159)),  # half a sample of PCM, but whole µ-law
        (Kind.AUDIO_16K, bytes(640)),
        (Kind.HANGUP, b"\x01"),
        (Kind.ERROR, b""),
        (Kind.ERROR, b"\x04"),
    ],
)
def test_what_is_tolerated(kind: int, payload: bytes) -> None:
    assert Decoder().feed(encode(kind, payload)) == [Frame(kind, payload)]


def test_frames_ahead_of_a_fault_are_not_lost_and_the_fault_stays() -> None:
    decoder = Decoder()
    assert decoder.feed(SILENCE_FRAME + b"GET / HTTP/1.1") == [Frame(0x10, SILENCE)]
    assert decoder.fault is not None
    for data in (b"", SILENCE_FRAME, b"x"):
        with pytest.raises(AudioSocketError, match="0x47"):
            decoder.feed(data)
    assert decoder.pending == 0


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=8))
def test_garbage_reads_the_same_in_any_pieces(data: bytes, places: list[int]) -> None:
    def read(pieces: list[bytes]) -> tuple[list[Frame], str]:
        decoder = Decoder()
        received: list[Frame] = []
        try:
            for piece in [*pieces, b""]:
                received += decoder.feed(piece)
        except AudioSocketError as fault:
            return received, str(fault)
        return received, f"{decoder.pending} pending"

    assert read([data]) == read(cut(data, places)) == read([data[at : at + 1] for at in range(len(data))])


def speech_like(seed: int, frames: int, size: int = 320) -> list[Frame]:
    """Random PCM of many levels, with frames of digital silence between."""
    source = random.Random(seed)
    sent = []
    for _ in range(frames):
        level = source.choice([0, 0, 1, 3, 20, 500, 5000, 32767])
        samples = [source.randint(-level, level) for _ in range(size // 2)]
        sent.append(Frame(0x10, b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)))
    return sent


@pytest.mark.parametrize("size", [160, 320, 480, 960])
def test_resynchronises_from_every_offset(size: int) -> None:
    sent = speech_like(size, 4, size)
    data = wire(sent)
    whole = size + 3
    for offset in range(whole + 1):
        decoder = Decoder(resynchronise=True)
        received = decoder.feed(data[offset:])
        assert received == sent[-(-offset // whole) :]
        assert decoder.skipped == -offset % whole
        assert decoder.synchronised


@pytest.mark.parametrize("step", [1, 7, 100, 323])
def test_resynchronises_in_small_pieces(step: int) -> None:
    sent = speech_like(step, 5)
    data = wire(sent)[100:]
    decoder = Decoder(resynchronise=True)
    received = [frame for at in range(0, len(data), step) for frame in decoder.feed(data[at : at + step])]
    assert received == sent[1:]
    assert decoder.skipped == 223


@given(st.integers(0, 2**32), st.integers(0, 322), st.sampled_from(sorted(AUDIO_RATES)))
def test_resynchronises_in_random_audio_of_any_rate(seed: int, offset: int, kind: int) -> None:
    source = random.Random(seed)
    size = AUDIO_RATES[kind] // 50 * 2
    sent = [Frame(kind, source.randbytes(size)) for _ in range(3)]
    decoder = Decoder(resynchronise=True)
    assert decoder.feed(wire(sent)[offset:]) == (sent if offset == 0 else sent[1:])


def test_silence_is_not_taken_for_hangups() -> None:
    decoder = Decoder(resynchronise=True)
    assert decoder.feed(bytes(3000)) == []
    assert not decoder.synchronised
    assert decoder.feed(SILENCE_FRAME[100:]) == []
    assert decoder.feed(SILENCE_FRAME) == []
    assert decoder.feed(SILENCE_FRAME) == [Frame(0x10, SILENCE)] * 2
    assert decoder.skipped == 3000 + 223


def test_the_second_header_decides_and_no_more_is_waited_for() -> None:
    decoder = Decoder(resynchronise=True)
    assert decoder.feed(SILENCE_FRAME + SILENCE_FRAME[:2]) == []
    assert decoder.feed(SILENCE_FRAME[2:3]) == [Frame(0x10, SILENCE)]


def test_a_key_pressed_during_the_search_is_not_lost() -> None:
    sent = [Frame(0x03, b"0"), Frame(0x10, SILENCE), Frame(0x03, b"#"), Frame(0x10, SILENCE)]
    decoder = Decoder(resynchronise=True)
    assert decoder.feed(bytes(200) + wire(sent)) == sent
    assert decoder.skipped == 200


def test_a_stream_lost_again_is_searched_again() -> None:
    decoder = Decoder(resynchronise=True)
    sent = speech_like(9, 6)
    data = wire(sent[:3]) + b"\xee" * 50 + wire(sent[3:])
    assert decoder.feed(data) == sent
    assert decoder.skipped == 50


@pytest.mark.parametrize(
    "filler", [b"\x00", b"\x10", b"\x10\x01", b"\x10\x01\x40", b"\x03\x00\x01", b"\xff", b"\x10\x00"]
)
@pytest.mark.parametrize("step", [64, 4096])
def test_a_search_is_bounded(filler: bytes, step: int) -> None:
    decoder = Decoder(resynchronise=True, max_buffer=8192)
    data = filler * 9000
    for at in range(0, 8192, step):
        assert decoder.feed(data[at : at + step]) == []
    with pytest.raises(AudioSocketError, match="no AudioSocket frames"):
        decoder.feed(data[8192 : 8192 + step])
    assert decoder.pending == 0


def test_random_pcm_without_headers_never_synchronises() -> None:
    source = random.Random(4)
    for _ in range(20):
        decoder = Decoder(resynchronise=True, max_buffer=1 << 20)
        assert decoder.feed(source.randbytes(20_000)) == []
        assert decoder.feed(b"".join(frame.payload for frame in speech_like(source.randrange(1000), 20))) == []
        assert not decoder.synchronised
