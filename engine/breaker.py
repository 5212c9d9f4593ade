"""A circuit breaker: what failed again and again is left alone for a while, then tried once.

    async with breaker.attempt() as attempt:
        async for piece in provider.stream():
            attempt.worked()
            yield piece

The states and their changes are aiobreaker's. Round them stands what it lacks: an attempt that may be a plain call or a
stream; one probe at a time when half-open; one monotonic clock instead of UTC mixed with local time; no state kept
between two looks at a record that other processes change too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.breaker_record import CLOSED, HALF_OPEN, OPEN, FileRecord, LockBusyError, MemoryRecord, Record, SharedRecord
from engine.errors import BreakerOpen, ConfigurationError, ServiceRefused

logger = logging.getLogger(__name__)


def _import_aiobreaker() -> Any:
    """aiobreaker without the Redis client, which it imports for a storage of its own where it finds one.

    That client would cost 10 MB in the process of every call; aiobreaker goes on without it by itself.
    """
    if "redis" in sys.modules:
        import aiobreaker  # noqa: PLC0415

        return aiobreaker
    sys.modules["redis"] = None  # type: ignore[assignment]  # how an import is made to fail
    try:
        import aiobreaker  # noqa: PLC0415
    finally:
        del sys.modules["redis"]
    return aiobreaker


if TYPE_CHECKING:
    import aiobreaker as _aiobreaker
else:
    _aiobreaker = _import_aiobreaker()

_STATES: Final = {
    CLOSED: _aiobreaker.CircuitBreakerState.CLOSED,
    OPEN: _aiobreaker.CircuitBreakerState.OPEN,
    HALF_OPEN: _aiobreaker.CircuitBreakerState.HALF_OPEN,
}
_NUMBERS: Final = {state: number for number, state in _STATES.items()}
StateName = Literal["closed", "open", "half_open"]
_NAMES: Final[dict[int, StateName]] = {CLOSED: "closed", OPEN: "open", HALF_OPEN: "half_open"}
_BREAKER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class BreakerReading:
    """A breaker as metrics show it."""

    name: str
    state: StateName
    failures: int
    """In a row."""


def tells_of_failure(error: Exception) -> bool:
    """Whether ``error`` counts: not where the other side refused a request that was wrong, or a setting is."""
    return not isinstance(error, ServiceRefused | ConfigurationError)


class _Storage(_aiobreaker.storage.base.CircuitBreakerStorage):  # type: ignore[misc]  # untyped base
    """A record as aiobreaker's storage. Its times are ours, whatever clock the caller read."""

    def __init__(self, record: Record, now: float) -> None:
        super().__init__("record")
        self._record = record
        self._now = now

    @property
    def state(self) -> Any:
        return _STATES[self._record.state]

    @state.setter
    def state(self, state: Any) -> None:
        self._record.state = _NUMBERS[state]

    def increment_counter(self) -> None:
        self._record.failures += 1

    def reset_counter(self) -> None:
        self._record.failures = 0

    @property
    def counter(self) -> int:
        return self._record.failures

    @property
    def opened_at(self) -> float:
        return self._record.opened_at

    @opened_at.setter
    def opened_at(self, _moment: object) -> None:
        self._record.opened_at = self._now


class _Machine(_aiobreaker.CircuitBreaker):  # type: ignore[misc]  # untyped base
    """aiobreaker's state machine for one look at a record; made anew each time, so that it remembers nothing."""

    def __init__(self, record: Record, now: float, fail_max: int) -> None:
        super().__init__(fail_max=fail_max, state_storage=_Storage(record, now))

    @property
    def opens_at(self) -> datetime | None:
        return None  # the original subtracts local time from UTC

    def open(self) -> None:
        self._state_storage.opened_at = None
        self.state = self._state_storage.state = _STATES[OPEN]

    def succeeded(self) -> None:
        self._state_storage.reset_counter()
        self.state.on_success()

    def failed(self, error: Exception) -> None:
        self._inc_counter()
        with contextlib.suppress(_aiobreaker.CircuitBreakerError):  # our caller gets the error that opened it
            self.state.on_failure(error)


class Breaker:
    """One breaker. Cheap enough for every request: some tens of microseconds, no waiting."""

    def __init__(
        self,
        name: str,
        record: SharedRecord | None = None,
        *,
        failures: int = 5,
        half_open_after: float = 30.0,
        probe_limit: float = 30.0,
        counts: Callable[[Exception], bool] = tells_of_failure,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Closed until ``failures`` in a row; open for ``half_open_after`` seconds; then one probe at a time.

        ``record``: shared with other processes, or None for this one alone. A probe that has told nothing after
        ``probe_limit`` seconds (its process died, say) makes room for another. ``now``: seconds of a monotonic clock
        that all who share the record have in common.
        """
        self.name = name
        self._record = record or MemoryRecord()
        self._failures = failures
        self._half_open_after = half_open_after
        self._probe_limit = probe_limit
        self._counts = counts
        self._now = now

    def attempt(self) -> Attempt:
        """One attempt, for ``async with``. Entering raises BreakerOpen where it may not be made."""
        return Attempt(self)

    def reading(self) -> BreakerReading:
        """State and failures; "closed" where the record cannot be had."""
        try:
            record = self._record.read()
        except LockBusyError:
            return BreakerReading(self.name, "closed", 0)
        return BreakerReading(self.name, _NAMES[record.state], record.failures)

    def close(self) -> None:
        """Lets go of the record; idempotent."""
        self._record.close()

    def counts(self, error: BaseException | None) -> bool | None:
        """True for a failure, False for a success, None for what tells nothing (a cancellation, a generator closed)."""
        if error is None:
            return False
        if isinstance(error, Exception) and not isinstance(error, StopAsyncIteration | BreakerOpen):
            return self._counts(error)
        return None

    def begin(self) -> tuple[int, bool]:
        """Epoch of an attempt that may be made, and whether it is the probe. Raises BreakerOpen."""
        try:
            with self._record.changing() as record:
                if record.state == CLOSED:
                    return record.epoch, False
                now = self._now()  # not before the lock: what others noted meanwhile would seem to come from the future
                if record.state == OPEN:
                    self._wait(record.opened_at + self._half_open_after - now, self._half_open_after)
                    _Machine(record, now, self._failures).half_open()
                elif record.probe_until:
                    self._wait(record.probe_until - now, self._probe_limit)
                record.probe_until = now + self._probe_limit
                record.epoch += 1
                return record.epoch, True
        except LockBusyError:
            return -1, False  # better an attempt too many than a caller who waits for a lock

    def _wait(self, left: float, longest: float) -> None:
        if 0 < left <= longest:  # a longer one was noted before the machine started anew
            raise BreakerOpen(f"{self.name} failed too often and is left alone for {left:.0f} s", retry_in=left)

    def end(self, epoch: int, failed: bool | None, error: BaseException | None = None, *, probe: bool = False) -> int:
        """Notes an attempt's outcome (as ``counts`` tells); the epoch in which what goes on of it counts."""
        if failed is None and not probe:
            return epoch
        now = self._now()
        try:
            with self._record.changing() as record:
                if record.epoch != epoch:
                    return epoch
                before = record.state
                if failed is None:
                    record.probe_until = 0.0
                elif failed:
                    _Machine(record, now, self._failures).failed(error if isinstance(error, Exception) else Exception())
                elif record.state != CLOSED or record.failures:
                    _Machine(record, now, self._failures).succeeded()
                if record.state != before:
                    record.probe_until = 0.0
                    record.epoch += 1
                    self._tell(record)
                return record.epoch
        except LockBusyError:
            return epoch

    def _tell(self, record: Record) -> None:
        level = logging.WARNING if record.state == OPEN else logging.INFO
        logger.log(
            level,
            "circuit breaker changed",
            extra={"breaker": self.name, "state": _NAMES[record.state], "failures": record.failures},
        )


class Attempt:
    """One attempt: ``async with breaker.attempt() as attempt``. The body's exception decides what it tells."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._epoch = -1
        self._probe = False
        self._worked = False

    def worked(self) -> None:
        """Says that the other side answers, before the body ends: on a stream's first piece.

        If it is the probe, the breaker closes now. A body that is cancelled afterwards counts as a success, one that
        fails afterwards as a failure. May be called for every piece.
        """
        if self._worked:
            return
        self._worked = True
        if self._probe:
            self._epoch = self._breaker.end(self._epoch, failed=False, probe=True)
            self._probe = False

    async def __aenter__(self) -> Attempt:
        self._epoch, self._probe = self._breaker.begin()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        failed = self._breaker.counts(error)
        if failed is None and self._worked and isinstance(error, asyncio.CancelledError | GeneratorExit):
            failed = False
        self._breaker.end(self._epoch, failed, error, probe=self._probe)


class Breakers:
    """The breakers of a process, by name; those of one folder share their state with every process of the node."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        failures: int = 5,
        half_open_after: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folder`` must be this machine's own; None: nothing is shared."""
        self._folder = folder
        self._failures = failures
        self._half_open_after = half_open_after
        self._now = now
        self._breakers: dict[str, Breaker] = {}

    def named(self, name: str, *, counts: Callable[[Exception], bool] = tells_of_failure) -> Breaker:
        """The breaker of this name (small letters, digits, ``_.-``), the same each time.

        A folder that cannot be written costs the sharing, not the breaker. Raises ValueError for another name.
        """
        known = self._breakers.get(name)
        if known is not None:
            return known
        if not _BREAKER_NAME.fullmatch(name):
            raise ValueError(f"no name for a breaker: {name!r}")
        record: SharedRecord | None = None
        if self._folder is not None:
            try:
                record = FileRecord(self._folder / f"{name}.breaker")
            except OSError as error:
                logger.warning("a circuit breaker is not shared: %s", error.strerror, extra={"breaker": name})
        breaker = self._breakers[name] = Breaker(
            name,
            record,
            failures=self._failures,
            half_open_after=self._half_open_after,
            counts=counts,
            now=self._now,
        )
        return breaker

    def readings(self) -> tuple[BreakerReading, ...]:
        """All of the folder, other processes' too; without a folder those of this process."""
        found = {breaker.name: breaker.reading() for breaker in self._breakers.values()}
        for path in self._folder.glob("*.breaker") if self._folder is not None else ():
            name = path.stem
            if name not in found and _BREAKER_NAME.fullmatch(name):
                with contextlib.suppress(OSError):  # gone meanwhile
                    breaker = Breaker(name, FileRecord(path))
                    found[name] = breaker.reading()
                    breaker.close()
        return tuple(found[name] for name in sorted(found))

    def close(self) -> None:
        """Lets go of all records; idempotent."""
        breakers, self._breakers = self._breakers, {}
        for breaker in breakers.values():
            breaker.close()
