"""Who was erased: digests, tombstones, files of this machine."""

from __future__ import annotations

import json
import logging
import multiprocessing
import stat
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError
from engine.records.erasing import Erased, Receipt, Tombstone, canonical, digest, key_id, number_given
from engine.records.tombstones import KEY, TOMBSTONES, ErasedCallers, buried, bury, key_of
from ops.erasure.files import erase_dead_letters, erase_lists, erase_recordings
from ops.erasure.places import PlaceUnreached, Wanted
from ops.jobs.callbacks import COLUMNS, lines_in, table

K = bytes(range(32))
NUMBER = "+990000000001"
CALL = str(uuid.uuid5(uuid.NAMESPACE_URL, "call"))
OTHER = str(uuid.uuid5(uuid.NAMESPACE_URL, "other"))
WANTED = Wanted(frozenset({CALL}), canonical(NUMBER))


@pytest.mark.parametrize(
    "written",
    ["+990000000001", "990000000001", "00990000000001", "+99 (000) 000-00 01", " 99.0000.000001\n", "+99/0000000001"],
)
def test_a_number_is_the_same_however_it_is_written(written: str) -> None:
    assert number_given(written) == canonical(written) == "990000000001"
    assert digest(K, written) == digest(K, NUMBER)


@pytest.mark.parametrize(
    "written",
    ["", "+", "12", "anonymous", "sip:990000000001@pbx", "990000000001, 990000000002", "9900000x00001", "٠١٢٣٤٥٦"],
)
def test_what_is_no_number_is_refused_and_not_shown(written: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        number_given(written)
    assert written.strip() == "" or written not in str(refused.value).replace("3 digits", "")


def test_a_digest_depends_on_the_key() -> None:
    assert digest(K, NUMBER) != digest(bytes(32), NUMBER)
    assert key_id(K) != key_id(bytes(32))
    assert key_id(K) not in digest(K, NUMBER).hex()


@given(st.uuids(), st.binary(min_size=32, max_size=32), st.floats(0, 4e9))
def test_a_tombstone_is_read_as_it_was_written(identity: uuid.UUID, digested: bytes, at: float) -> None:
    one = Tombstone(identity, digested, at)
    assert Tombstone.of(one.line()) == one
    assert one.line().endswith("\n")


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"id": 1, "digest": "ab", "at": 1}', '{"id": "', "\x00"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        Tombstone.of(line)


def test_calls_that_began_before_an_erasure_are_covered_and_later_ones_are_not() -> None:
    erased = Erased(
        K, [Tombstone(uuid.uuid4(), digest(K, NUMBER), 100.0), Tombstone(uuid.uuid4(), digest(K, NUMBER), 50.0)]
    )
    assert erased.covers("00990000000001", 100.0)
    assert not erased.covers(NUMBER, 100.1)
    assert not erased.covers("+990000000002", 1.0)
    assert not erased.covers("", 1.0)
    assert not Erased(K, ())


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "var" / KEY
    key = key_of(path, make=True)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_of(path, make=True) == key_of(path) == key
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_is_missing_or_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not there"):
        key_of(tmp_path / KEY)
    for text in ("", "ab", "xyz" * 20, "ab" * 33):
        (tmp_path / KEY).write_text(text)
        with pytest.raises(ConfigurationError, match="64 hex digits"):
            key_of(tmp_path / KEY, make=True)


def _make(path: str, keys: multiprocessing.Queue[str]) -> None:
    keys.put(key_of(Path(path), make=True).hex())


def test_processes_that_make_it_at_once_have_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    keys: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_make, args=(str(tmp_path / KEY), keys)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {keys.get(timeout=100) for _ in processes}
    for process in processes:
        process.join(30)
    assert len(found) == 1


def test_tombstones_are_appended_and_a_torn_line_costs_itself_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / TOMBSTONES
    one, two = (Tombstone(uuid.uuid4(), digest(K, number), 1.0) for number in (NUMBER, "+990000000002"))
    bury(path, one)
    with path.open("a") as file:
        file.write('{"id": "cut o')
    bury(path, two)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with caplog.at_level(logging.ERROR):
        assert buried(path) == [one, two]
    assert "line 2" in caplog.text
    assert buried(tmp_path / "none") == []


def test_a_process_that_goes_on_learns_of_an_erasure(tmp_path: Path) -> None:
    key = key_of(tmp_path / KEY, make=True)
    callers = ErasedCallers(tmp_path)
    assert not callers.covers(NUMBER, 1.0)
    bury(tmp_path / TOMBSTONES, Tombstone(uuid.uuid4(), digest(key, NUMBER), 100.0))
    assert callers.covers(NUMBER, 99.0)
    assert callers.now() is callers.now()
    bury(tmp_path / TOMBSTONES, Tombstone(uuid.uuid4(), digest(key, "+990000000002"), 100.0))
    assert callers.covers("+990000000002", 99.0)


def test_without_the_key_tombstones_are_an_error_and_no_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bury(tmp_path / TOMBSTONES, Tombstone(uuid.uuid4(), digest(K, NUMBER), 100.0))
    callers = ErasedCallers(tmp_path)
    with pytest.raises(ConfigurationError, match=KEY):
        callers.now()
    with caplog.at_level(logging.ERROR):
        assert not callers.covers(NUMBER, 1.0)
        assert not callers.covers(NUMBER, 1.0)
    assert caplog.text.count("recorded as others are") == 1
    assert NUMBER not in caplog.text


def test_a_receipt_holds_nobodys_number() -> None:
    receipt = Receipt(uuid.uuid4(), digest(K, NUMBER), key_id(K), "2026-11-23T10:00:00+00:00", "node-a")
    receipt.count("tables", {"calls": 2})
    receipt.count("tables", {"calls": 1, "customers": 1})
    told = receipt.as_json()
    assert told["places"] == {"tables": {"calls": 3, "customers": 1}}
    assert told["complete"] is True
    assert "99000" not in json.dumps(told)


# -- files ------------------------------------------------------------------------------------------------------------


def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    (folder / "2026-11" / CALL).mkdir(parents=True)
    for name in (
        f"{CALL}.wav",
        f"2026-11/{CALL}/left.wav",
        f"2026-11/{CALL}/right.wav",
        f"{OTHER}.wav",
        "demonstration.wav",
    ):
        (folder / name).write_bytes(b"RIFF")
    return folder


def test_recordings_of_his_calls_are_removed(tmp_path: Path) -> None:
    folder = recordings(tmp_path)
    assert erase_recordings(folder, WANTED, dry_run=True) == {"files": 3}
    assert erase_recordings(folder, WANTED) == {"files": 3}
    assert sorted(path.name for path in folder.rglob("*.wav")) == sorted([f"{OTHER}.wav", "demonstration.wav"])
    assert erase_recordings(folder, WANTED) == {"files": 0}
    assert erase_recordings(tmp_path / "none", WANTED) == {"files": 0}


def test_recordings_that_cannot_be_removed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recordings(tmp_path)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PlaceUnreached) as told:
        erase_recordings(folder, WANTED)
    assert str(told.value) == "recordings (Permission denied)"


def test_he_is_taken_out_of_the_lists(tmp_path: Path) -> None:
    lines = [dict.fromkeys(COLUMNS, "") | {"phone": phone, "call_id": call} for phone, call in (
        ("+99 000 000 0001", OTHER), ("+990000000002", CALL), ("+990000000003", OTHER),
    )]  # fmt: skip
    path = tmp_path / "2026-11-23.csv"
    path.write_bytes(table(lines))
    (tmp_path / "notes.csv").write_text("not ours: 990000000001")
    assert erase_lists(tmp_path, WANTED, dry_run=True) == {"lines": 2}
    assert len(lines_in(path.read_bytes())) == 3
    assert erase_lists(tmp_path, WANTED) == {"lines": 2}
    assert [line["phone"] for line in lines_in(path.read_bytes())] == ["+990000000003"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_his_events_are_taken_out_of_those_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "dead-letters.jsonl"
    records = (
        {"call": CALL, "event": {"type": "turn"}},
        {"call": OTHER, "event": {"caller": "my number is +99 000 000-00-01"}},
        {"call": OTHER, "event": {"caller": "dix euros"}},
    )
    path.write_text("".join(json.dumps({"why": "x", "record": record}) + "\n" for record in records) + '{"torn')
    assert erase_dead_letters(path, WANTED) == {"lines": 2}
    left = path.read_text()
    assert "dix euros" in left
    assert left.endswith('{"torn')
    assert CALL not in left
    assert erase_dead_letters(tmp_path / "none", WANTED) == {"lines": 0}


def test_a_short_number_is_not_looked_for_in_texts() -> None:
    assert not Wanted(frozenset(), "205").in_text("tyres of 205 55 16")
    assert Wanted(frozenset(), "0441234567").in_text("call 044 123-45-67")


@pytest.mark.parametrize(
    ("text", "his"),
    [
        ("990000000001", True),
        ("+99 (000) 000-00-01, please", True),
        ("0099 000 000 00 01", True),
        ("9 9 0 0 0 0 0 0 0 0 0 1", True),
        ("7 990000000001 7", True),
        ("7990000000001", False),
        ("9900000000017", False),
        ("order 77-9900-0000-0001", True),  # digits in groups may be his: rather one word too many
        ("990000000002", False),
    ],
)
def test_a_number_within_a_longer_one_is_another(text: str, his: bool) -> None:
    assert WANTED.in_text(text) is his


def test_what_anothers_call_on_hold_has_of_him_stays() -> None:
    kept = Wanted(frozenset({CALL}), canonical(NUMBER), frozenset({OTHER}))
    assert not kept.in_text(f"{OTHER} my number is {NUMBER}")
    assert kept.in_text(f"my number is {NUMBER}")
    assert kept.in_text(f"{CALL} of his")
    assert not kept.in_text(f"{OTHER} has nothing of him")
    assert kept.spared == 1
    assert kept.in_text(f"{CALL} of his, {OTHER}"), "his own call is his, whatever else is named"
    assert kept.spared == 1


def test_so_does_its_line_of_a_list(tmp_path: Path) -> None:
    lines = [dict.fromkeys(COLUMNS, "") | {"phone": phone, "call_id": call} for phone, call in (
        (NUMBER, OTHER), ("+990000000003", OTHER), (NUMBER, CALL), (NUMBER, ""),
    )]  # fmt: skip
    path = tmp_path / "2026-11-23.csv"
    path.write_bytes(table(lines))
    wanted = Wanted(frozenset({CALL}), canonical(NUMBER), frozenset({OTHER, CALL}))
    assert erase_lists(tmp_path, wanted) == {"lines": 2}
    assert lines_in(path.read_bytes()) == lines[:2]
    assert wanted.spared == 1
