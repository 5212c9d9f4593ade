"""The outbox on disk: what was written is read, whatever happens to the process, the machine or the disk between."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import outbox as outbox_module
from engine.records.outbox import BOOT, MOST_WAITING, Outbox
from engine.records.reading import OutboxReader, ReaderLock, oldest, remove_written
from engine.records.segments import LONGEST_RECORD, encode, records, segments

SEGMENT = 4096


def opened(root: Path, **options: Any) -> Outbox:
    outbox = Outbox(root, **({"segment_bytes": SEGMENT, "reserve_bytes": 2 * SEGMENT} | options))
    outbox.open()
    return outbox


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def killed(outbox: Outbox) -> Path:
    """Leaves it as a process does that is killed: with its last file in full size, and none begun. That file."""
    outbox.close()
    *_, last, empty = segments(outbox.folder)
    empty.path.unlink()
    os.truncate(last.path, SEGMENT)
    return last.path


def everything(folder: Path, position: int = 0) -> list[dict[str, Any]]:
    reader = OutboxReader(folder)
    reader.seek(position)
    found: list[dict[str, Any]] = []
    empty = 0
    while empty < 2:  # what is damaged is looked at twice
        entries = reader.read(7)
        assert [entry.position for entry in entries] == list(range(reader.position - len(entries), reader.position))
        found += [entry.data for entry in entries]
        empty = 0 if entries else empty + 1
    reader.close()
    return found


def test_what_is_appended_is_read_in_its_order_over_many_files(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    for number in range(500):
        outbox.append({"n": number, "text": "ґанок" * (number % 7)})
    outbox.close()
    assert [one["n"] for one in everything(outbox.folder)] == list(range(500))
    assert [one["n"] for one in everything(outbox.folder, 321)] == list(range(321, 500))
    assert len(segments(outbox.folder)) > 3
    assert outbox.counts.written == 500
    assert outbox.position == 500


def test_a_process_goes_on_in_the_outbox_of_the_one_before(tmp_path: Path) -> None:
    for first in (0, 10, 20):
        outbox = opened(tmp_path)
        for number in range(first, first + 10):
            outbox.append({"n": number})
        outbox.close()
    assert len(list(tmp_path.iterdir())) == 1
    assert [one["n"] for one in everything(outbox.folder)] == list(range(30))


def test_two_processes_have_an_outbox_each(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    assert one.folder != other.folder
    one.close()
    other.close()


def test_it_is_private(tmp_path: Path) -> None:
    outbox = opened(tmp_path / "outbox")
    outbox.append({"n": 1})
    outbox.close()
    assert (tmp_path / "outbox").stat().st_mode & 0o777 == outbox.folder.stat().st_mode & 0o777 == 0o700
    for file in outbox.folder.glob("*.seg"):
        assert file.stat().st_mode & 0o777 == 0o600


@given(
    payloads=st.lists(st.binary(min_size=1, max_size=200), max_size=20),
    cut=st.integers(0, 6000),
    rest=st.binary(max_size=64),
)
def test_a_torn_end_costs_what_was_torn_and_nothing_before_it(payloads: list[bytes], cut: int, rest: bytes) -> None:
    """Whatever a crash leaves behind the last whole record: half of one, nothing, or what was there before."""
    whole = b"".join(map(encode, payloads))
    data = (whole[:cut] + rest).ljust(8192, b"\0")
    found = [payload for payload, _ in records(data)]
    kept, size = 0, 0
    for payload in payloads:
        size += 8 + len(payload)
        if size > cut:
            break
        kept += 1
    assert found[:kept] == payloads[:kept]
    assert len(found) <= len(payloads) + 8  # bytes that look like a record by chance would need its checksum


@given(place=st.integers(0, 299), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_one_record_at_the_most_of_those_before_the_last(place: int, bit: int) -> None:
    payloads = [b"%030d" % number for number in range(12)]
    data = bytearray(b"".join(map(encode, payloads)).ljust(1024, b"\0"))
    data[place] ^= 1 << bit
    found = [payload for payload, _ in records(bytes(data))]
    hit = place // 38
    if place % 38 >= 4:  # its length is sound
        assert found == [*payloads[:hit], None, *payloads[hit + 1 :]]
    else:
        assert found[:hit] == payloads[:hit]


def test_a_torn_record_is_cut_and_the_next_takes_its_place(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    for number in range(5):
        outbox.append({"n": number})
    segment = killed(outbox)
    data = segment.read_bytes()
    *_, (_, end) = records(data)
    torn = encode(b'{"n":"torn"}')[:-3]
    segment.write_bytes(data[:end] + torn + data[end + len(torn) :])
    assert len(everything(outbox.folder)) == 5
    again = opened(tmp_path)
    again.append({"n": 5})
    again.close()
    assert [one["n"] for one in everything(again.folder)] == [0, 1, 2, 3, 4, 5]
    assert segments(again.folder)[0].path.stat().st_size < SEGMENT, "its file is left at the end"


def test_a_damaged_record_is_passed_over_and_counted(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    for number in range(5):
        outbox.append({"n": number})
    outbox.close()
    segment = segments(outbox.folder)[0]
    data = bytearray(segment.path.read_bytes())
    data[data.index(b'"n":2')] = ord("x")
    segment.path.write_bytes(data)
    assert [one.get("n") for one in everything(outbox.folder)] == [0, 1, None, 3, 4]


def test_a_machine_that_was_started_anew_gets_an_outbox_anew(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append({"n": 1})
    outbox.close()
    (outbox.folder / BOOT).write_text("another start")
    later = opened(tmp_path)
    later.close()
    assert later.folder != outbox.folder, "numbers that a database has already may be missing at the old one's end"
    assert everything(outbox.folder) == [{"n": 1}]


def test_a_full_disk_takes_what_was_reserved_and_memory_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = False

    def allocate(descriptor: int, size: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.posix_fallocate(descriptor, 0, size)

    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.01)
    outbox = opened(tmp_path, allocate=allocate)
    full = True
    record = encode(b'{"n":100}')
    reserved = 3 * (SEGMENT // len(record))
    for number in range(100, 100 + reserved):
        outbox.append({"n": number})
    until(lambda: outbox.counts.written >= reserved - 10)
    for number in range(100 + reserved, 100 + reserved + 500):
        outbox.append({"n": number})
    until(lambda: bool(outbox.failing) and outbox.waiting > 0)
    assert outbox.counts.lost == 0
    full = False
    until(lambda: outbox.waiting == 0)
    outbox.close()
    assert [one["n"] for one in everything(outbox.folder)] == list(range(100, 100 + reserved + 500))
    assert not outbox.failing


def test_a_disk_that_refuses_for_long_costs_what_memory_cannot_hold_and_it_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = opened(tmp_path)
    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.01)
    write = os.pwrite

    def refused(*_arguments: Any) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", refused)
    for number in range(MOST_WAITING + 5_000):
        outbox.append({"n": number})
    until(lambda: bool(outbox.failing))
    lost = outbox.counts.lost
    assert 0 < lost <= 5_000
    monkeypatch.setattr(os, "pwrite", write)
    until(lambda: outbox.waiting == 0)
    outbox.close()
    assert outbox.counts.written == MOST_WAITING + 5_000 - lost
    assert [one["n"] for one in everything(outbox.folder)] == list(range(MOST_WAITING + 5_000 - lost))


def test_what_comes_before_the_disk_can_be_had_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the engine starts: events wait in memory, and nothing unfinished is left behind."""
    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.01)
    full = True

    def allocate(descriptor: int, size: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.posix_fallocate(descriptor, 0, size)

    outbox = opened(tmp_path / "outbox", allocate=allocate)
    assert outbox.failing == "No space left on device"
    for number in range(100):
        outbox.append({"n": number})
    time.sleep(0.1)  # it is tried several times
    assert (outbox.waiting, outbox.settled, outbox.counts.lost) == (100, False, 0)
    assert len(list((tmp_path / "outbox").iterdir())) <= 1
    full = False
    until(lambda: outbox.settled)
    outbox.close()
    assert not outbox.failing
    (folder,) = (tmp_path / "outbox").iterdir()
    assert [one["n"] for one in everything(folder)] == list(range(100))


def test_a_folder_that_cannot_be_made_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.01)
    (tmp_path / "outbox").write_text("in the way")
    outbox = opened(tmp_path / "outbox")
    outbox.append({"n": 0})
    assert outbox.failing
    (tmp_path / "outbox").unlink()
    until(lambda: outbox.settled)
    outbox.close()
    assert everything(outbox.folder) == [{"n": 0}]


def test_half_a_write_leaves_nothing_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes a part of a block and then refuses: the block is written again in the same place."""
    monkeypatch.setattr(outbox_module, "AGAIN_SECONDS", 0.01)
    outbox = opened(tmp_path)
    write, calls = os.pwrite, 0

    def half(descriptor: int, data: Any, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return write(descriptor, bytes(data)[: len(data) // 2], offset)
        if calls == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", half)
    for number in range(20):
        outbox.append({"n": number})
    until(lambda: outbox.waiting == 0)
    outbox.close()
    assert [one["n"] for one in everything(outbox.folder)] == list(range(20))
    assert calls >= 3


def test_append_never_raises(tmp_path: Path) -> None:
    outbox = opened(tmp_path, segment_bytes=1 << 20)
    endless: dict[str, Any] = {}
    endless["self"] = endless
    for record in (endless, {"text": "x" * LONGEST_RECORD}, {"half": "\ud800"}, {"thing": object()}, {"n": 1}):
        outbox.append(record)
    outbox.close()
    assert outbox.counts.lost == 2, "what has no end and what is too long"
    assert everything(outbox.folder)[-1] == {"n": 1}


WRITER = """
import sys, time
from pathlib import Path
from engine.records.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), segment_bytes=65536, reserve_bytes=65536)
outbox.open()
number = outbox.position
while True:
    for _ in range(20):
        outbox.append({"n": number, "text": "x" * (number % 300)})
        number += 1
    time.sleep(0.001)
    print(outbox.position, flush=True)
"""


def test_a_writer_that_is_killed_loses_nothing_that_was_on_the_disk(tmp_path: Path) -> None:
    """Five times in a row, in whatever it is doing at that moment."""
    told = 0
    for round_ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(50 + 37 * round_):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
    (folder,) = tmp_path.iterdir()
    found = [one["n"] for one in everything(folder)]
    assert len(found) >= told > 0
    assert found == list(range(len(found)))


def test_files_leave_when_every_sink_has_their_records(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    for number in range(500):
        outbox.append({"n": number})
    outbox.close()
    bases = [one.base for one in segments(outbox.folder)]
    assert remove_written(outbox.folder, [500, bases[2] - 1]) == 1
    assert oldest(outbox.folder) == bases[1]
    assert remove_written(outbox.folder, [500, 0]) == 0
    assert remove_written(outbox.folder, [500, 500]) == len(bases) - 2
    assert oldest(outbox.folder) == bases[-1], "the last one is being written"
    reader = OutboxReader(outbox.folder)
    reader.seek(3)
    assert reader.position == bases[-1], "what is gone is passed over"
    reader.close()


def test_a_file_is_left_after_a_while_and_takes_no_more_room_than_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What every sink has taken can then be deleted, though little was written."""
    monkeypatch.setattr(outbox_module, "FILE_SECONDS", 0.2)
    monkeypatch.setattr(outbox_module, "SYNC_SECONDS", 0.05)
    outbox = opened(tmp_path)
    reader = OutboxReader(outbox.folder)
    reader.seek(0)
    found: list[int] = []
    for number in range(3):
        outbox.append({"n": number})
        until(lambda: outbox.settled)
        found += [entry.data["n"] for entry in reader.read(10)]
        files = len(segments(outbox.folder))
        until(lambda files=files: len(segments(outbox.folder)) > files)  # type: ignore[misc]
    time.sleep(0.5)
    assert len(segments(outbox.folder)) == 4, "an empty file is not left"
    first = segments(outbox.folder)[0].path
    assert 0 < first.stat().st_size < 100
    outbox.append({"n": 3})
    until(lambda: outbox.settled)
    for _ in range(3):
        found += [entry.data["n"] for entry in reader.read(10)]
    assert found == [0, 1, 2, 3]
    reader.close()
    outbox.close()
    assert [one["n"] for one in everything(outbox.folder)] == [0, 1, 2, 3]
    assert remove_written(outbox.folder, [3]) == 3


def test_at_the_end_its_file_is_left_so_that_it_can_be_deleted(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    outbox.append({"n": 0})
    outbox.close()
    outbox.close()
    full, empty = segments(outbox.folder)
    assert (empty.base, full.path.stat().st_size < 100) == (1, True)
    assert remove_written(outbox.folder, [1]) == 1
    again = opened(tmp_path)
    again.close()
    assert segments(again.folder) == [empty], "where nothing was written none is left"
    last = opened(tmp_path)
    last.append({"n": 1})
    last.close()
    assert everything(last.folder) == [{"n": 1}]


@pytest.mark.parametrize(
    ("record", "left"),
    [
        ({"event": {"at": 10_000.0}}, True),
        ({"event": {"at": 10_002.0}}, False),
        ({"event": {"at": 99_999.0}}, False),  # by a clock that was wrong
        ({"n": 1}, True),
    ],
)
def test_a_file_is_as_old_as_its_first_record_whoever_wrote_it(
    tmp_path: Path, record: dict[str, Any], left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is started again and again within the hour leaves its file all the same."""
    monkeypatch.setattr(outbox_module, "SYNC_SECONDS", 0.05)
    outbox = opened(tmp_path)
    outbox.append(record)
    killed(outbox)
    later = opened(tmp_path, wall=lambda: 10_001.0 + outbox_module.FILE_SECONDS - 1)
    later.append({"event": {"at": 13_600.0}})
    until(lambda: later.settled)
    if left:
        until(lambda: len(segments(later.folder)) == 2)
    else:
        time.sleep(0.3)
        assert len(segments(later.folder)) == 1
    later.close()
    assert everything(later.folder) == [record, {"event": {"at": 13_600.0}}]


def test_a_reader_sees_what_is_written_while_it_reads(tmp_path: Path) -> None:
    outbox = opened(tmp_path)
    reader = OutboxReader(outbox.folder)
    reader.seek(0)
    found: list[int] = []
    for number in range(300):
        outbox.append({"n": number})
        if number % 10 == 0:
            found += [entry.data["n"] for entry in reader.read(1000)]
    until(lambda: outbox.waiting == 0)
    deadline = time.monotonic() + 20
    while len(found) < 300 and time.monotonic() < deadline:
        found += [entry.data["n"] for entry in reader.read(1000)]
    assert found == list(range(300))
    assert outbox.behind(reader.base, reader.offset) == 0
    reader.close()
    outbox.close()


def test_one_reader_at_a_time(tmp_path: Path) -> None:
    first, second = ReaderLock(tmp_path), ReaderLock(tmp_path)
    assert first.take()
    assert not second.take()
    first.release()
    assert second.take()
    second.release()
