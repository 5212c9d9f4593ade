"""What an ingress has not confirmed is told to the next one, once each, in order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.messages import LATE, CallStart
from actors.unconfirmed import MOST_CALLS, MOST_EVENTS, Unconfirmed


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
