"""What every benchmark is given, and what it says of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from engine.config import Settings
from ops.bench.engine_process import Engine
from ops.bench.processes import Meter, Usage, private_bytes
from ops.bench.report import Report

LOOK_SECONDS: Final = 0.5
"""Time set aside for looking at the processes before what is measured begins."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of a benchmark."""

    engine: Engine
    settings: Settings
    """Those that the engine runs with."""
    calls: int
    seconds: float
    report: Report
    """To be filled."""
    progress: Callable[[str], None]
    """Tells whoever waits what is going on."""

    @property
    def token(self) -> str:
        """What registration must show."""
        return self.settings.network.telephony_token.reveal()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark."""

    calls: int
    """Calls at once where none are given."""
    seconds: float
    """How long it measures where nothing is given."""
    environment: Callable[[int], dict[str, str]]
    """The engine's settings for so many calls."""
    measure: Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call costs, on average and at the worst."""

    cores: float
    """Of its process."""
    private_mb: float
    worst_mb: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What a stretch of time cost."""

    since: float
    until: float
    usage: Usage
    cost: CallCost
    own: float
    """Cores that the callers' own process used."""


async def watch(bench: Bench, since: float, seconds: float, calls: int) -> Measured:
    """Wait until ``since``, then for ``seconds``, and tell what that cost. Looks before and after, not within."""
    await asyncio.sleep(max(0.0, since - LOOK_SECONDS - time.monotonic()))
    meter = await asyncio.to_thread(Meter, bench.engine.pid)
    since = max(since, time.monotonic())
    await asyncio.sleep(since - time.monotonic())
    own = time.process_time()
    await asyncio.sleep(since + seconds - time.monotonic())
    until = time.monotonic()
    own = (time.process_time() - own) / seconds
    usage = await asyncio.to_thread(meter.usage)
    cost = await asyncio.to_thread(call_cost, usage, calls)
    return Measured(since, until, usage, cost, own)


def call_cost(usage: Usage, calls: int) -> CallCost:
    """Of the ``calls`` busiest processes of calls: the others are warm and wait."""
    busiest = sorted(usage.calls, key=lambda pid: -usage.calls[pid])[:calls]
    memory = [private_bytes(pid) / 1e6 for pid in busiest]
    if not busiest:
        return CallCost(float("nan"), float("nan"), float("nan"))
    cores = sum(usage.calls[pid] for pid in busiest) / len(busiest)
    return CallCost(cores, sum(memory) / len(memory), max(memory))


def usage_table(measured: Measured) -> list[dict[str, object]]:
    """Where the processor time went, in per cent of one core."""
    rows: list[dict[str, object]] = [
        {"processes": kind, "% of a core": round(cores * 100, 1)}
        for kind, cores in measured.usage.kinds.items()
        if cores > 0.002
    ]
    return [*rows, {"processes": "the callers (outside)", "% of a core": round(measured.own * 100, 1)}]
