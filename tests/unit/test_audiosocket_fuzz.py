"""A bounded run of hostile streams against the codec; ``TRUNKLINE_TEST_FUZZ_CASES`` makes it longer.

Each case is decided by the seed and its number alone, so that a failure can be run again.
"""

from __future__ import annotations

import os
import random
from itertools import pairwise

from engine.audio.audiosocket import AUDIO_RATES, Decoder, Frame, Kind, encode
from engine.errors import AudioSocketError

CASES = int(os.environ.get("TRUNKLINE_TEST_FUZZ_CASES", "20000"))
SEED = int(os.environ.get("TRUNKLINE_TEST_FUZZ_SEED", "20261122"))
LIMIT = 2048


def hostile_stream(source: random.Random) -> bytes:
    """Frames, then damaged: bits turned, pieces lost, doubled, swapped, or noise put between."""
    parts: list[bytes] = []
    for _ in range(source.randint(1, 4)):
        kind = source.choice([*Kind, source.randrange(256)])
        size = source.choice([0, 1, 2, 15, 16, 17, 160, 320, 480, source.randrange(LIMIT + 64)])
        parts.append(encode(kind, source.randbytes(size) if source.random() < 0.7 else bytes(size)))
    data = bytearray(b"".join(parts))
    for _ in range(source.randint(0, 3)):
        at = source.randrange(len(data) + 1)
        to = min(len(data), at + source.randrange(40))
        match source.randrange(4):
            case 0:
                del data[at:to]
            case 1:
                data[at:at] = data[at:to]
            case 2:
                data[at:at] = source.randbytes(source.randrange(8))
            case _ if at < len(data):
                data[at] ^= 1 << source.randrange(8)
    return bytes(data)


def pieces(data: bytes, source: random.Random) -> list[bytes]:
    if source.random() < 0.05:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(source.randrange(len(data) + 1) for _ in range(source.randrange(6)))
    edges = [0, *cuts, len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def lawful(frame: Frame) -> bool:
    size = len(frame.payload)
    if frame.kind in AUDIO_RATES:
        return size <= LIMIT and (frame.kind == Kind.AUDIO_8K or size % 2 == 0)
    return {0x00: size <= 16, 0x01: size == 16, 0x03: size == 1, 0xFF: size <= 16}.get(frame.kind, False)


def test_hostile_streams() -> None:
    refused = 0
    for case in range(CASES):
        source = random.Random(SEED + case)
        data = hostile_stream(source)
        decoder = Decoder(max_payload=LIMIT)
        received: list[Frame] = []
        try:
            for piece in pieces(data, source):
                received += decoder.feed(piece)
                assert decoder.pending < LIMIT + 3, case
        except AudioSocketError:
            refused += 1
            assert decoder.pending == 0, case
        assert all(lawful(frame) for frame in received), case
        again = b"".join(encode(frame.kind, frame.payload) for frame in received)
        assert data.startswith(again), case
        if decoder.fault is None:
            assert len(again) + decoder.pending == len(data), case
    assert CASES * 0.2 < refused < CASES * 0.99


def test_hostile_streams_while_resynchronising() -> None:
    found = 0
    for case in range(CASES // 10):
        source = random.Random(SEED - case - 1)
        sent = [Frame(0x10, source.randbytes(320) if source.random() < 0.5 else bytes(320)) for _ in range(5)]
        good = b"".join(encode(frame.kind, frame.payload) for frame in sent)
        decoder = Decoder(max_payload=LIMIT, resynchronise=True, max_buffer=64 * 1024)
        received: list[Frame] = []
        for piece in pieces(hostile_stream(source) + good, source):
            received += decoder.feed(piece)
        assert all(lawful(frame) for frame in received), case
        found += received[-4:] == sent[1:]
    assert found > CASES // 10 * 0.9  # a hostile stream may end in the header of a frame that swallows good ones
