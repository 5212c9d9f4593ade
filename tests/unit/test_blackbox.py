"""The black box of a call: what a successor finds in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audio.blackbox import CHECKPOINT_BYTES, RING_BYTES, SIZE, BlackBox
from engine.errors import ProtocolError


@pytest.fixture
def shared() -> Iterator[tuple[BlackBox, BlackBox]]:
    """One black box as two processes see it."""
    first, fd = BlackBox.create()
    second = BlackBox(fd)
    os.close(fd)
    yield first, second
    second.close()
    first.close()


def test_a_successor_reads_what_was_written(shared: tuple[BlackBox, BlackBox]) -> None:
    writer, reader = shared
    assert reader.load() is None
    writer.save(b"one")
    writer.save(b"two, and longer")
    writer.hear(b"abcd")
    writer.queue(b"efghij")
    writer.advance(2)
    writer.tick()
    assert reader.load() == b"two, and longer"
    assert reader.heard(0) == b"abcd"
    assert reader.heard(1, 3) == b"bc"
    assert (reader.caller_position, reader.queued, reader.played, reader.ticks) == (4, 6, 2, 1)
    assert reader.peek(100) == b"ghij"


def test_a_checkpoint_too_large_is_refused_and_the_last_one_stays(shared: tuple[BlackBox, BlackBox]) -> None:
    writer, reader = shared
    writer.save(b"good")
    with pytest.raises(ProtocolError, match="larger"):
        writer.save(bytes(CHECKPOINT_BYTES + 1))
    assert reader.load() == b"good"


def test_queued_audio_can_be_dropped_but_not_what_was_played(shared: tuple[BlackBox, BlackBox]) -> None:
    box, _ = shared
    box.queue(bytes(1000))
    box.advance(400)
    box.truncate(600)
    assert box.queued == 600
    box.truncate(0)
    assert box.queued == box.played == 400


@given(pieces=st.lists(st.integers(1, RING_BYTES // 3), min_size=1, max_size=12))
def test_the_last_minute_of_the_caller_is_kept_whatever_the_pieces(pieces: list[int]) -> None:
    box, fd = BlackBox.create()
    os.close(fd)
    said = b""
    for number, size in enumerate(pieces):
        piece = bytes([number + 1]) * size
        said += piece
        box.hear(piece)
    kept = min(len(said), RING_BYTES)
    assert box.heard(0) == said[len(said) - kept :]
    assert box.heard(len(said) - 10) == said[-10:]
    box.close()


@given(steps=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), max_size=40))
def test_what_is_queued_comes_out_in_order(steps: list[tuple[int, int]]) -> None:
    box, fd = BlackBox.create()
    os.close(fd)
    put, got = b"", b""
    for index, (size, take) in enumerate(steps):
        piece = bytes([index % 251]) * min(size, box.room)
        box.queue(piece)
        put += piece
        frame = box.peek(take)
        box.advance(len(frame))
        got += frame
    assert put.startswith(got)
    assert box.queued - box.played == len(put) - len(got)
    box.close()


def test_strange_memory_is_refused() -> None:
    small = os.memfd_create("small")
    os.ftruncate(small, 100)
    with pytest.raises(ProtocolError, match="too small"):
        BlackBox(small)
    os.close(small)
    other = os.memfd_create("other")
    os.ftruncate(other, SIZE)
    with pytest.raises(ProtocolError, match="not a call's"):
        BlackBox(other)
    os.close(other)
