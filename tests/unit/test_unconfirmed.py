"""What an ingress has not confirmed is told to the next one, once each, in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import LATE, CallStart
from actors.unconfirmed import MOST_CALLS, MOST_EVENTS, Unconfirmed
from actors.untold import keep_untold
from engine.config import Secret, Settings
from engine.config.records import RecordsSettings
from engine.config.sections import PathSettings
from tests.unit.test_outbox import everything


def start(call_id: str) -> CallStart:
    return CallStart(call_id, "", "", "")


def event(number: int) -> dict[str, Any]:
    return {"type": "turn", "id": f"event-{number}"}


def left(unconfirmed: Unconfirmed) -> list[tuple[str, str]]:
    messages = list(unconfirmed.messages())
    assert all(message["type"] == LATE for message in messages)
    return [(message["call"]["call_id"], message["event"]["id"]) for message in messages]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from("abc")), st.tuples(st.just("confirm"), st.sampled_from("abc"))
        )
    )
)
def test_what_is_left_is_what_came_after_the_last_confirmed(steps: list[tuple[str, str]]) -> None:
    unconfirmed = Unconfirmed()
    model: dict[str, list[str]] = {"a": [], "b": [], "c": []}
    for number, (step, call) in enumerate(steps):
        if step == "add":
            unconfirmed.add(start(call), event(number))
            model[call].append(f"event-{number}")
        elif model[call]:
            middle = model[call][len(model[call]) // 2]
            unconfirmed.confirmed(call, middle)
            model[call] = model[call][model[call].index(middle) + 1 :]
    found = left(unconfirmed)
    for call, expected in model.items():
        assert [one for of, one in found if of == call] == expected
    assert bool(unconfirmed) is any(model.values())


def test_what_is_not_there_confirms_nothing() -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.confirmed("a", "event-1")
    unconfirmed.add(start("a"), event(1))
    unconfirmed.confirmed("a", "event-2")
    unconfirmed.confirmed("b", "event-1")
    assert left(unconfirmed) == [("a", "event-1")]


def test_memory_is_bounded_and_the_oldest_leave_first() -> None:
    unconfirmed = Unconfirmed()
    for number in range(MOST_EVENTS + 5):
        unconfirmed.add(start("a"), event(number))
    assert left(unconfirmed)[0] == ("a", "event-5")
    for number in range(MOST_CALLS):
        unconfirmed.add(start(f"call-{number}"), event(number))
    assert len(left(unconfirmed)) == MOST_CALLS
    assert left(unconfirmed)[0][0] == "call-0"


def with_outbox(folder: Path, database: str = "embedded") -> Settings:
    records = RecordsSettings(database=Secret(database), redis=Secret("none"))
    return replace(Settings(), paths=PathSettings(folder), records=records)


def test_what_nobody_was_told_goes_to_the_disk_each_call_with_its_beginning(tmp_path: Path) -> None:
    unconfirmed = Unconfirmed()
    for call in range(25):
        for number in range(MOST_EVENTS):
            unconfirmed.add(start(f"call-{call}"), event(number))
    assert keep_untold(with_outbox(tmp_path), unconfirmed) == 0
    (folder,) = (path for path in (tmp_path / "outbox").iterdir() if path.is_dir())
    found = everything(folder)
    assert len(found) == 25 * (1 + MOST_EVENTS), "more than memory would hold at once"
    assert [one["event"]["type"] for one in found[:3]] == ["call", "turn", "turn"]
    assert [one["event"]["id"] for one in found[1:4]] == ["event-0", "event-1", "event-2"]
    assert found[0]["event"]["playbook"] == "tyre_shop"


def test_an_engine_without_records_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(start("a"), event(1))
    assert keep_untold(with_outbox(tmp_path, "none"), unconfirmed) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_does_not_take_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unconfirmed = Unconfirmed()
    unconfirmed.add(start("a"), event(1))
    (tmp_path / "outbox").write_text("a file where a folder should be")
    monkeypatch.setattr("actors.untold.WAIT_SECONDS", 0.1)
    assert keep_untold(with_outbox(tmp_path), unconfirmed) == 2
