"""From the connect to the engine's first frame and to the greeting, while many calls come at once."""

from __future__ import annotations

import asyncio
import time

from ops.bench.arrivals import poisson
from ops.bench.bench import Bench, Benchmark
from ops.bench.crowd import CallRecord, Crowd, Scenario, crowd, greet
from ops.bench.declared import declared, scripted
from ops.bench.processes import look
from ops.bench.statistics import Summary

ARRIVALS_A_SECOND = 10.0


async def measure(bench: Bench) -> None:
    """Calls come at random, stay until all have come, and say nothing."""
    report = bench.report
    report.declared = declared(bench.settings)
    arrivals = poisson(bench.calls, ARRIVALS_A_SECOND)
    until = time.monotonic() + arrivals[-1] + bench.seconds
    async with crowd(bench.engine, bench.token, follow=True) as callers:
        callers.send(_scenario(until), arrivals)
        bench.progress(f"{bench.calls} calls arrive within {arrivals[-1]:.1f} s")
        await asyncio.sleep(until - time.monotonic() - 0.5)
        young, known = await asyncio.to_thread(_started_for_a_call, callers)
        await callers.finish(30.0)
        first = Summary.of(record.first_frame for record in callers.records)
        greeting = Summary.of(record.greeting for record in callers.records)
        gaps = Summary.of(callers.gaps())
        report.add("calls", first.count, at_least=bench.calls)
        connect = {"p50": first.p50, "p95": first.p95, "p99": first.p99, "worst": first.worst}
        report.add_times("connect → first frame,", connect, p99=50)
        voiced = {"p50": greeting.p50, "p95": greeting.p95, "worst": greeting.worst}
        report.add_times("connect → greeting's first voiced sample,", voiced, p95=400)
        report.add_times("gap between frames,", {"p99": gaps.p99, "worst": gaps.worst})
        report.add("processes started for a call that had come", young, at_most=0)
        report.add("calls dropped", callers.lost, at_most=0)
        report.notes += [*callers.faults(), callers.own_lateness()]
        report.notes.append(f"the process was known of {known} of {first.count} calls")
        report.details = {"first_frame_ms": first.scaled(1000), "greeting_ms": greeting.scaled(1000)}


def _scenario(until: float) -> Scenario:
    async def scenario(record: CallRecord) -> None:
        await greet(record)
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    return scenario


def _started_for_a_call(callers: Crowd) -> tuple[int, int]:
    """Calls whose process is younger than their connect, and calls whose process is known."""
    offset = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    young = known = 0
    for record in callers.records:
        pids = [event.data.get("pid") for event in record.leg.engine_events if event.type == "actor"]
        process = look(pids[0]) if pids and isinstance(pids[0], int) else None
        if process is not None:
            known += 1
            young += process.started > record.leg.dialled_at + offset
    return young, known


BENCHMARK = Benchmark(calls=50, seconds=5.0, environment=scripted, measure=measure)
