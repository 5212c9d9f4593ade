"""Announced calls: each may come once, and not for ever."""

from __future__ import annotations

import uuid

import pytest

from actors.registry import MOST_ANNOUNCED, USED_SECONDS, Registry


class HandClock:
    """Time that is set by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


def test_an_announced_call_may_come_once() -> None:
    registry = Registry(HandClock(), ttl=30)
    call = uuid.uuid4()
    assert registry.announce(str(call).upper(), caller="1", channel="c", dialled="2") == "announced"
    announced = registry.use(call.bytes)
    assert announced is not None
    assert (announced.call_id, announced.caller, announced.channel, announced.dialled) == (str(call), "1", "c", "2")
    assert registry.use(call.bytes) is None
    assert registry.announce(str(call), caller="1", channel="c") == "used"


def test_nobody_else_may_come() -> None:
    assert Registry(HandClock(), ttl=30).use(uuid.uuid4().bytes) is None


def test_an_announcement_expires_and_may_be_renewed() -> None:
    clock = HandClock()
    registry = Registry(clock, ttl=30)
    late, renewed = uuid.uuid4(), uuid.uuid4()
    registry.announce(str(late), caller="", channel="")
    registry.announce(str(renewed), caller="", channel="")
    clock.time += 20
    registry.announce(str(renewed), caller="", channel="")
    clock.time += 15
    assert not registry.is_announced(str(late))
    assert registry.use(late.bytes) is None
    assert registry.use(renewed.bytes) is not None


def test_a_used_uuid_is_remembered_for_a_day() -> None:
    clock = HandClock()
    registry = Registry(clock, ttl=30)
    call = str(uuid.uuid4())
    registry.mark_used(call)
    clock.time += USED_SECONDS - 1
    assert registry.announce(call, caller="", channel="") == "used"
    clock.time += 2
    assert registry.announce(call, caller="", channel="") == "announced"


@pytest.mark.parametrize("text", ["", "not-a-uuid", "1234", "x" * 36])
def test_what_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Registry(HandClock(), ttl=30).announce(text, caller="", channel="")


def test_a_flood_of_announcements_is_bounded() -> None:
    registry = Registry(HandClock(), ttl=30)
    first = str(uuid.uuid4())
    registry.announce(first, caller="", channel="")
    for _ in range(MOST_ANNOUNCED):
        registry.announce(str(uuid.uuid4()), caller="", channel="")
    assert len(registry) == MOST_ANNOUNCED
    assert not registry.is_announced(first)
