"""The circuit breaker on a clock that the test turns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.breaker import Breaker, BreakerReading, Breakers, StateName
from engine.breaker_record import FileRecord, MemoryRecord, Record
from engine.errors import BreakerOpen, ConfigurationError, StoreRefused, StoreUnavailable


class Clock:
    def __init__(self) -> None:
        self.seconds = 5000.0

    def __call__(self) -> float:
        return self.seconds


Make = Callable[[], Breaker]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Make:
    """Breakers that share one state: of one record in memory, or of one file opened anew by each."""
    memory = MemoryRecord()

    def breaker() -> Breaker:
        record = memory if request.param == "memory" else FileRecord(tmp_path / "deep" / "store.breaker")
        return Breaker("store", record, now=clock)

    return breaker


async def fail(breaker: Breaker, error: BaseException | None = None) -> None:
    with pytest.raises(type(error or OSError())):
        async with breaker.attempt():
            raise error or OSError


async def succeed(breaker: Breaker) -> None:
    async with breaker.attempt():
        pass


async def refused(breaker: Breaker) -> float:
    with pytest.raises(BreakerOpen) as error:
        async with breaker.attempt():
            pytest.fail("let through")
    assert error.value.retryable
    return error.value.retry_in


async def opened(make: Make) -> Breaker:
    breaker = make()
    for _ in range(5):
        await fail(breaker)
    return breaker


class LateRecord(MemoryRecord):
    """Its lock is had only after somebody else had it, who did something at a later time."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    @contextmanager
    def changing(self) -> Iterator[Record]:
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        with super().changing() as record:
            yield record


@pytest.mark.parametrize("meanwhile", ["the probe was begun", "it was opened again"])
async def test_what_was_noted_while_one_waited_for_the_lock_holds(clock: Clock, meanwhile: str) -> None:
    record = LateRecord(lambda: None)
    other, waiting = Breaker("store", record, now=clock), Breaker("store", record, now=clock)
    for _ in range(5):
        await fail(other)
    clock.seconds += 31

    def does() -> None:
        clock.seconds += 0.001
        epoch, probe = other.begin()
        assert probe
        if meanwhile == "it was opened again":
            other.end(epoch, failed=True, error=OSError(), probe=True)

    record.meanwhile = does
    assert await refused(waiting) == pytest.approx(30)


async def test_opens_after_five_failures_in_a_row(make: Make) -> None:
    breaker = make()
    for _ in range(4):
        await fail(breaker)
    await succeed(breaker)
    for _ in range(4):
        await fail(breaker)
    assert breaker.reading() == BreakerReading("store", "closed", 4)
    await fail(breaker)
    assert breaker.reading() == BreakerReading("store", "open", 5)
    assert await refused(breaker) == 30


async def test_failures_of_all_who_share_it_count(make: Make) -> None:
    one, other = make(), make()
    for breaker in (one, other, one, other, one):
        await fail(breaker)
    await refused(other)
    assert make().reading().failures == 5


async def test_half_open_after_thirty_seconds_lets_one_through(make: Make, clock: Clock) -> None:
    breaker, other = await opened(make), make()
    clock.seconds += 29.9
    assert await refused(breaker) == pytest.approx(0.1)
    clock.seconds += 0.1
    async with breaker.attempt():
        assert other.reading().state == "half_open"
        await refused(other)
        await refused(breaker)
    assert other.reading() == BreakerReading("store", "closed", 0)
    await succeed(other)


async def test_of_many_at_once_one_is_the_probe(make: Make, clock: Clock) -> None:
    breakers = [await opened(make), make(), make()]
    clock.seconds += 30
    passed = 0

    async def one(breaker: Breaker) -> None:
        nonlocal passed
        async with breaker.attempt():
            passed += 1
            await asyncio.sleep(0)

    results = await asyncio.gather(*(one(breaker) for breaker in breakers for _ in range(20)), return_exceptions=True)
    assert passed == 1
    assert sum(isinstance(result, BreakerOpen) for result in results) == 59


async def test_a_probe_that_fails_opens_it_for_thirty_seconds_more(make: Make, clock: Clock) -> None:
    breaker = await opened(make)
    clock.seconds += 31
    await fail(breaker)
    assert await refused(breaker) == 30
    clock.seconds += 30
    await succeed(breaker)
    await succeed(breaker)


async def test_a_probe_that_is_cancelled_makes_room_for_the_next(make: Make, clock: Clock) -> None:
    breaker = await opened(make)
    clock.seconds += 30
    await fail(breaker, asyncio.CancelledError())
    assert breaker.reading().state == "half_open"
    async with breaker.attempt():
        await refused(breaker)
    assert breaker.reading().state == "closed"


async def test_a_probe_that_never_ends_is_given_up(make: Make, clock: Clock) -> None:
    breaker = await opened(make)
    clock.seconds += 30
    lost, other = breaker.attempt(), make()
    await lost.__aenter__()
    clock.seconds += 29
    assert await refused(other) == 1
    clock.seconds += 1
    async with other.attempt():
        await lost.__aexit__(None, None, None)  # too late to tell anything
        assert other.reading().state == "half_open"
        await refused(breaker)
    assert other.reading().state == "closed"


@pytest.mark.parametrize(
    "error",
    [
        StoreRefused("no", code="out_of_stock", status=409),
        ConfigurationError("wrong key"),
        asyncio.CancelledError(),
        GeneratorExit(),
    ],
)
async def test_what_is_no_failure(make: Make, error: BaseException) -> None:
    breaker = make()
    for _ in range(10):
        await fail(breaker, error)
    assert breaker.reading() == BreakerReading("store", "closed", 0)


async def test_a_cancellation_does_not_make_failures_forgotten(make: Make) -> None:
    breaker = make()
    for _ in range(4):
        await fail(breaker, StoreUnavailable("gone"))
        await fail(breaker, asyncio.CancelledError())
    assert breaker.reading().failures == 4


async def test_what_counts_may_be_said(clock: Clock) -> None:
    breaker = Breaker("store", now=clock, counts=lambda error: isinstance(error, OSError))
    for _ in range(5):
        await fail(breaker, ValueError())
    assert breaker.reading().failures == 0


async def test_what_began_before_it_opened_tells_nothing_of_the_probe(make: Make, clock: Clock) -> None:
    breaker = make()
    slow, slower = breaker.attempt(), breaker.attempt()
    await slow.__aenter__()
    await slower.__aenter__()
    for _ in range(5):
        await fail(breaker)
    await slow.__aexit__(None, None, None)
    assert breaker.reading().state == "open"
    clock.seconds += 30
    async with breaker.attempt():
        await slower.__aexit__(OSError, OSError(), None)
        assert breaker.reading().state == "half_open"
    assert breaker.reading().state == "closed"


async def stream(breaker: Breaker, pieces: int, error: Exception | None = None) -> AsyncIterator[int]:
    async with breaker.attempt() as attempt:
        for piece in range(pieces):
            attempt.worked()
            yield piece
        if error is not None:
            raise error


async def test_failures_of_streams_count(make: Make) -> None:
    breaker = make()
    for pieces in (0, 1, 2, 3, 4):
        with pytest.raises(OSError):
            _ = [piece async for piece in stream(breaker, pieces, OSError())]
    await refused(breaker)


async def test_a_stream_that_is_let_go_of_is_no_failure(make: Make) -> None:
    breaker = make()
    for _ in range(4):
        await fail(breaker)
    pieces = stream(breaker, 5)
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert breaker.reading() == BreakerReading("store", "closed", 0)


async def test_a_stream_as_probe_closes_it_with_its_first_piece(make: Make, clock: Clock) -> None:
    breaker = await opened(make)
    clock.seconds += 30
    pieces = stream(breaker, 2, OSError())
    await anext(pieces)
    assert breaker.reading() == BreakerReading("store", "closed", 0)
    await succeed(breaker)
    with pytest.raises(OSError):
        _ = [piece async for piece in pieces]
    assert breaker.reading() == BreakerReading("store", "closed", 1)


@pytest.mark.parametrize("content", [b"", b"x" * 5, b"\xff" * 400, Record(7, 1, 2.0, 3.0, 4).pack()])
async def test_a_damaged_file_is_a_fresh_one(tmp_path: Path, content: bytes, clock: Clock) -> None:
    path = tmp_path / "store.breaker"
    path.write_bytes(content)
    breaker = Breaker("store", FileRecord(path), now=clock)
    assert breaker.reading() == BreakerReading("store", "closed", 0)
    await fail(breaker)
    assert breaker.reading().failures == 1


async def test_a_time_from_before_the_machine_started_anew_does_not_keep_it_open(make: Make, clock: Clock) -> None:
    breaker = await opened(make)
    clock.seconds = 12.0
    await succeed(breaker)
    assert breaker.reading().state == "closed"


async def test_a_lock_that_is_held_keeps_nobody_waiting(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "store.breaker"
    breaker, holder = Breaker("store", FileRecord(path), now=clock), FileRecord(path)
    with holder.changing():
        await succeed(breaker)
        await fail(breaker)
        assert breaker.reading() == BreakerReading("store", "closed", 0)
    await fail(breaker)
    assert breaker.reading().failures == 1


async def test_changes_are_logged(make: Make, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    breaker = await opened(make)
    clock.seconds += 30
    await succeed(breaker)
    assert [(record.__dict__["breaker"], record.__dict__["state"]) for record in caplog.records] == [
        ("store", "open"),
        ("store", "closed"),
    ]


async def test_breakers_by_name(tmp_path: Path, clock: Clock) -> None:
    mine, theirs = Breakers(tmp_path, now=clock), Breakers(tmp_path, now=clock, failures=1)
    assert mine.named("store") is mine.named("store")
    await fail(theirs.named("store"))
    await fail(theirs.named("chat.openai"))
    await refused(mine.named("store"))
    assert mine.readings() == (BreakerReading("chat.openai", "open", 1), BreakerReading("store", "open", 1))
    for name in ("", "../x", "A", "a/b"):
        with pytest.raises(ValueError):
            mine.named(name)
    for breakers in (mine, theirs):
        breakers.close()
        breakers.close()


async def test_a_folder_that_cannot_be_written_costs_the_sharing_alone(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").touch()
    breakers = Breakers(tmp_path / "file", now=clock, failures=1)
    await fail(breakers.named("store"))
    await refused(breakers.named("store"))
    assert [reading.state for reading in breakers.readings()] == ["open"]


class Model:
    """What a breaker must do, said in another way: from the whole history of outcomes."""

    def __init__(self) -> None:
        self.state: StateName = "closed"
        self.streak = 0
        self.since = 0.0

    def may(self, now: float) -> bool:
        if self.state == "open" and now - self.since >= 30:
            self.state = "half_open"
        return self.state != "open"

    def tell(self, failed: bool | None, now: float) -> None:
        if failed is False:
            self.state, self.streak = "closed", 0
        elif failed:
            self.streak += 1
            if self.state == "half_open" or self.streak >= 5:
                self.state, self.since = "open", now


_STEPS = st.lists(
    st.one_of(st.sampled_from(["ok", "fail", "fail", "fail", "cancel"]), st.floats(0.1, 40.0)), min_size=1, max_size=60
)


@given(_STEPS)
@settings(max_examples=200, deadline=None)
def test_any_history_of_attempts_one_after_another(steps: list[str | float]) -> None:
    async def play() -> None:
        clock, record, model = Clock(), MemoryRecord(), Model()
        outcomes: dict[str, tuple[BaseException | None, bool | None]] = {
            "ok": (None, False),
            "fail": (OSError(), True),
            "cancel": (asyncio.CancelledError(), None),
        }
        for step in steps:
            if isinstance(step, float):
                clock.seconds += step
                continue
            breaker = Breaker("store", record, now=clock)  # a new one each time: nothing may be remembered elsewhere
            error, failed = outcomes[step]
            if not model.may(clock.seconds):
                await refused(breaker)
            elif error is None:
                await succeed(breaker)
                model.tell(failed, clock.seconds)
            else:
                await fail(breaker, error)
                model.tell(failed, clock.seconds)
            assert breaker.reading().state == model.state

    asyncio.run(play())


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["enter", "ok", "fail", "cancel", "wait"])), max_size=80))
@settings(max_examples=200, deadline=None)
def test_never_two_probes_at_once(steps: list[tuple[int, str]]) -> None:
    """Whatever overlaps: while it is half-open at most one attempt that began in it is under way."""

    async def play() -> None:
        clock = Clock()
        breaker = Breaker("store", now=clock, failures=2, probe_limit=1e9)
        under_way: dict[int, tuple[object, StateName]] = {}
        for slot, step in steps:
            if step == "wait":
                clock.seconds += 30
            elif step == "enter" and slot not in under_way:
                attempt = breaker.attempt()
                try:
                    await attempt.__aenter__()
                except BreakerOpen:
                    assert breaker.reading().state != "closed"
                else:
                    under_way[slot] = (attempt, breaker.reading().state)
            elif slot in under_way and step != "enter":
                ended, _ = under_way.pop(slot)
                error = {"ok": None, "fail": OSError(), "cancel": asyncio.CancelledError()}[step]
                await ended.__aexit__(None if error is None else type(error), error, None)  # type: ignore[attr-defined]
            if breaker.reading().state == "half_open":
                assert sum(began == "half_open" for _, began in under_way.values()) <= 1
            else:
                under_way = {key: (each, "closed") for key, (each, _) in under_way.items()}

    asyncio.run(play())
