"""End of speech to first sound with scripted providers: what the engine adds to the time its providers take."""

from __future__ import annotations

import math
import time

from ops.bench.arrivals import poisson
from ops.bench.bench import Bench, Benchmark, usage_table, watch
from ops.bench.crowd import clips, converse, crowd, stage_table
from ops.bench.declared import declared, ideal_path, ideal_seconds, scripted
from ops.bench.statistics import Summary

ARRIVALS_A_SECOND = 4.0
SETTLE_SECONDS = 3.0
CLIPS = ("how_much", "yes_correct", "goodbye")


async def measure(bench: Bench) -> None:
    """Calls arrive at random; once all are there, every turn counts."""
    report, ideal = bench.report, ideal_seconds(bench.settings)
    report.declared, report.ideal = declared(bench.settings), ideal_path(bench.settings)
    arrivals = poisson(bench.calls, ARRIVALS_A_SECOND)
    since = time.monotonic() + arrivals[-1] + SETTLE_SECONDS
    until = since + bench.seconds
    async with crowd(bench.engine, bench.token, follow=True) as callers:
        callers.send(converse(clips(*CLIPS), until=lambda: until), arrivals)
        bench.progress(f"{bench.calls} calls arrive within {arrivals[-1]:.0f} s, then {bench.seconds:g} s are measured")
        measured = await watch(bench, since, bench.seconds, bench.calls)
        await callers.finish(60.0)
        latencies, gaps = callers.latencies(since, until), Summary.of(callers.gaps(since, until))
        summary = Summary.of(latencies)
        unanswered = sum(math.isinf(latency) for latency in latencies)
        report.add("turns measured", summary.count, at_least=bench.calls)
        report.add_times("end of speech → first sound,", {"p50": summary.p50, "p95": summary.p95}, p50=750, p95=800)
        report.add_times("beyond the ideal path,", {"p50": summary.p50 - ideal, "p95": summary.p95 - ideal}, p95=60)
        report.add_times("gap between frames,", {"p99": gaps.p99, "worst": gaps.worst}, p99=25)
        report.add("calls dropped", callers.lost, at_most=0)
        report.add("turns without an answer", unanswered, at_most=0)
        report.add("a call's process", measured.cost.cores * 100, "% of a core")
        report.add("a call's private memory", measured.cost.private_mb, "MB")
        report.tables["Stages, by the engine's account"] = stage_table(callers.records)
        report.tables["Processor time"] = usage_table(measured)
        report.notes += [*callers.faults(), callers.own_lateness()]
        report.details = {"latency_ms": summary.scaled(1000), "gap_ms": gaps.scaled(1000)}


BENCHMARK = Benchmark(calls=20, seconds=30.0, environment=scripted, measure=measure)
