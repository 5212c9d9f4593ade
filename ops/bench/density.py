"""How many calls at once this machine holds, what each costs, and what gives way first."""

from __future__ import annotations

import math
import time
from typing import Any

from ops.bench.arrivals import poisson
from ops.bench.bench import Bench, Benchmark, CallCost, Measured, usage_table, watch
from ops.bench.crowd import Crowd, clips, converse, crowd
from ops.bench.declared import declared, ideal_path, ideal_seconds, scripted
from ops.bench.overhead import ARRIVALS_A_SECOND, CLIPS, SETTLE_SECONDS
from ops.bench.statistics import Summary

STEP = 10
OVERHEAD_SECONDS = 0.1
GAP_SECONDS = 0.03
UNDECIDED_SECONDS = 2.0
"""Turns asked so shortly before the end of a level are left out."""
WANTED_CALLS = 40
WANTED_CORES = 0.025
WANTED_MB = 100


async def measure(bench: Bench) -> None:
    """Ten calls more, measure, ten calls more, until the limits are passed or all that were asked for are there."""
    report = bench.report
    report.declared, report.ideal = declared(bench.settings), ideal_path(bench.settings)
    end = math.inf
    held, limit = 0, ""
    cost = CallCost(math.nan, math.nan, math.nan)
    table: list[dict[str, Any]] = []
    async with crowd(bench.engine, bench.token) as callers:
        scenario = converse(clips(*CLIPS), until=lambda: end)
        for level in [*range(STEP, bench.calls, STEP), bench.calls]:
            bench.progress(f"{level} calls")
            arrivals = poisson(level - len(callers.records), ARRIVALS_A_SECOND, seed=level)
            callers.send(scenario, arrivals)
            measured = await watch(bench, time.monotonic() + arrivals[-1] + SETTLE_SECONDS, bench.seconds, level)
            row, failed = _judge_level(bench, callers, level, measured)
            table.append(row)
            if held == 0 or not failed:
                cost = measured.cost
            if failed:
                limit = f"at {level} calls: {failed}"
                break
            held = level
            report.tables["Processor time at the most calls held"] = usage_table(measured)
        end = 0.0
        await callers.finish(60.0)
        report.notes += [*callers.faults(), callers.own_lateness()]
        lost = callers.lost
    report.tables = {"Levels": table} | report.tables
    report.add("calls at once within the limits", held, at_least=WANTED_CALLS)
    report.add("a call's process", cost.cores * 100, "% of a core", at_most=WANTED_CORES * 100)
    report.add("a call's private memory", cost.private_mb, "MB", at_most=WANTED_MB)
    report.add("the largest one's", cost.worst_mb, "MB")
    report.add("calls dropped", lost, at_most=None if limit else 0)
    report.notes.append(f"the limit of this machine: {limit or f'not reached with {held} calls'}")


def _judge_level(bench: Bench, callers: Crowd, level: int, measured: Measured) -> tuple[dict[str, Any], str]:
    """The level's row, and what was beyond the limits (empty: nothing)."""
    since, until, cost = measured.since, measured.until, measured.cost
    # Who asked a moment ago may still be answered; who asked before that and waits still has waited too long.
    turns = Summary.of(callers.latencies(since, until - UNDECIDED_SECONDS))
    gaps = Summary.of(callers.gaps(since, until))
    overhead = turns.p95 - ideal_seconds(bench.settings)
    gone = sum(record.leg.ending is not None for record in callers.records) + level - len(callers.records)
    failed = [
        text
        for text, bad in (
            (f"overhead p95 {_ms(overhead)}", not overhead <= OVERHEAD_SECONDS),
            (f"frame gap p99 {_ms(gaps.p99)}", not gaps.p99 <= GAP_SECONDS),
            (f"{gone} calls are gone", gone > 0),
        )
        if bad
    ]
    row = {
        "calls": level,
        "turns": turns.count,
        "overhead p50 ms": round((turns.p50 - ideal_seconds(bench.settings)) * 1000, 1),
        "overhead p95 ms": round(overhead * 1000, 1),
        "frame gap p99 ms": round(gaps.p99 * 1000, 1),
        "worst": round(gaps.worst * 1000, 1),
        "% of a core a call": round(cost.cores * 100, 2),
        "MB a call": round(cost.private_mb, 1),
        "cores in all": round(measured.usage.total, 2),
        "beyond": ", ".join(failed),
    }
    return row, ", ".join(failed)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if math.isfinite(seconds) else "unknown"


BENCHMARK = Benchmark(calls=60, seconds=15.0, environment=scripted, measure=measure)
