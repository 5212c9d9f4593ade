"""The log by its names, and which of it a restore needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.backup.errors import WalMissing
from ops.backup.wal import Segment, ancestry, history_timeline, needed, newest_timeline, position, shown

SIZE = 16 << 20
SIZES = st.sampled_from([1 << 20, 16 << 20, 64 << 20, 1 << 30])


@given(st.integers(0, 2**64 - 1))
def test_a_position_is_shown_as_it_is_read(lsn: int) -> None:
    assert position(shown(lsn)) == lsn


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**52), SIZES)
def test_a_segment_is_named_as_it_is_read(timeline: int, lsn: int, size: int) -> None:
    segment = Segment.at(lsn, timeline, size)
    assert Segment.parse(segment.name(size), size) == segment
    assert Segment.parse(f"{segment.name(size)}.partial", size) == Segment(timeline, segment.number, partial=True)


def test_names_are_postgresqls_own() -> None:
    assert Segment.at(position("16/B374D848"), 1, SIZE).name(SIZE) == "0000000100000016000000B3"
    assert Segment.parse("00000002.history", SIZE) is None
    assert history_timeline("0000000A.history") == 10
    assert history_timeline("0000000100000016000000B3") is None


HISTORIES = {
    2: "1\t0/5000000\tno recovery target specified\n",
    3: "1\t0/5000000\tx\n2\t0/9000100\tx\n",
    4: "1\t0/3000000\tx\n",
}


def test_a_timeline_has_ancestors() -> None:
    assert ancestry(1, HISTORIES) == {1: 0}
    assert ancestry(3, HISTORIES) == {1: 0, 2: position("0/5000000"), 3: position("0/9000100")}
    assert newest_timeline(1, HISTORIES) == 4
    assert newest_timeline(2, HISTORIES) == 3
    assert newest_timeline(1, {}) == 1


def kept(*numbers: int, timeline: int = 1) -> list[Segment]:
    return [Segment(timeline, number) for number in numbers]


def log(segments: list[Segment], start: int, stop: int | None, held: tuple[int, ...] = ()) -> list[Segment]:
    return needed(
        segments,
        {},
        timeline=1,
        start=start * SIZE + 100,
        stop=None if stop is None else stop * SIZE + 100,
        segment_bytes=SIZE,
        held=held,
    )


def test_from_the_backup_to_the_target() -> None:
    assert log(kept(1, 2, 3, 4, 5, 6), 3, 5) == kept(3, 4, 5)
    assert log(kept(1, 2, 3, 4, 5, 6), 3, None) == kept(3, 4, 5, 6)
    assert log([], 3, None, held=(3,)) == []


def test_a_partial_one_is_taken_where_there_is_no_whole_one() -> None:
    partial = Segment(1, 4, partial=True)
    assert log([*kept(3), partial], 3, 4) == [Segment(1, 3), partial]
    assert log([*kept(3, 4), partial], 3, 4) == kept(3, 4)


def test_a_gap_is_named_unless_the_backup_holds_it() -> None:
    with pytest.raises(WalMissing, match=r"segment 000000010000000000000004 is not kept; `--to-lsn 0/4000000`"):
        log(kept(3, 5), 3, None)
    with pytest.raises(WalMissing):
        log(kept(3), 3, 4)
    assert log(kept(3, 5), 3, None, held=(3, 4)) == kept(3, 5)
    assert log(kept(3, 5), 3, 3) == kept(3)


def test_a_newer_timeline_is_followed() -> None:
    segments = [*kept(3, 4, 5, 6), *kept(5, 6, 7, timeline=2)]
    histories = {2: "1\t0/5000100\tx\n"}
    chosen = needed(segments, histories, timeline=1, start=3 * SIZE, stop=None, segment_bytes=SIZE)
    assert [(each.timeline, each.number) for each in chosen if each.timeline == 2] == [(2, 5), (2, 6), (2, 7)]
    assert {each.number for each in chosen} == {3, 4, 5, 6, 7}


@given(st.sets(st.integers(1, 30)), st.integers(1, 15), st.integers(0, 15), st.sets(st.integers(1, 30), max_size=4))
def test_every_segment_between_is_there_or_the_first_that_is_not_is_named(
    there: set[int], start: int, length: int, held: set[int]
) -> None:
    wanted = set(range(start, start + length + 1))
    missing = wanted - there - held
    if missing:
        with pytest.raises(WalMissing, match=Segment(1, min(missing)).name(SIZE)):
            log(kept(*there), start, start + length, tuple(held))
    else:
        assert {each.number for each in log(kept(*there), start, start + length, tuple(held))} == wanted & there
