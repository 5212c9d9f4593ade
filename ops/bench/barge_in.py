"""How soon the agent is silent when the caller speaks, and that a cough does not silence it."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from dataclasses import dataclass, field
from typing import Final

from engine.audio.format import FRAME_BYTES, SAMPLE_RATE
from ops.bench.arrivals import poisson
from ops.bench.bench import Bench, Benchmark
from ops.bench.crowd import CallRecord, Scenario, clips, crowd, greet
from ops.bench.declared import declared, scripted
from ops.bench.overhead import ARRIVALS_A_SECOND
from ops.bench.statistics import Summary
from ops.caller import Spoken

REPLY_WORDS: Final = 60
"""Long enough that an answer never ends by itself while it is interrupted."""
COUGH_SECONDS: Final = 0.1
STOPPED_SECONDS: Final = 1.5
"""An agent that speaks on for longer was not stopped."""
COUGH_WATCHED: Final = 1.2
"""An agent that is silent within so long of a cough was stopped by it."""
CLIPS: Final = ("how_much", "yes_correct", "operator", "opening_hours")


@dataclass(slots=True)
class _Tally:
    stops: list[float] = field(default_factory=list)
    """Seconds from the caller's first voiced sample to the agent's last."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from the end of the interruption to the next answer."""
    coughs: int = 0
    stopped_by_cough: int = 0


def cough(seed: int) -> bytes:
    """A burst of noise of 100 ms that dies away, as engine audio."""
    source = random.Random(seed)
    length = round(COUGH_SECONDS * SAMPLE_RATE)
    samples, low = [], 0.0
    for at in range(length):
        low += 0.35 * (source.uniform(-1, 1) - low)  # a throat is no hiss
        samples.append(round(14_000 * low * (1 - at / length) ** 0.5))
    pcm = struct.pack(f"<{length}h", *samples)
    return pcm + bytes(-len(pcm) % FRAME_BYTES)


async def measure(bench: Bench) -> None:
    """In every call, over and over: the agent speaks, the caller coughs, then interrupts."""
    report = bench.report
    report.declared = declared(bench.settings) | {"cough": f"{COUGH_SECONDS * 1000:.0f} ms of noise"}
    arrivals = poisson(bench.calls, ARRIVALS_A_SECOND)
    until = time.monotonic() + arrivals[-1] + bench.seconds
    tally = _Tally()
    async with crowd(bench.engine, bench.token) as callers:
        callers.send(_scenario(tally, until), arrivals)
        bench.progress(f"{bench.calls} calls for {until - time.monotonic():.0f} s")
        await callers.finish(arrivals[-1] + bench.seconds + 60.0)
        report.notes += [*callers.faults(), callers.own_lateness()]
        lost = callers.lost
    stops = Summary.of(tally.stops)
    report.add("interruptions", stops.count, at_least=bench.calls)
    wanted = {"p50": stops.p50, "p95": stops.p95, "worst": stops.worst}
    report.add_times("caller's first voiced sample → agent's last,", wanted, p95=300)
    report.add("not stopped", sum(stop > STOPPED_SECONDS for stop in tally.stops), at_most=0)
    report.add("coughs", tally.coughs, at_least=bench.calls)
    report.add("stopped by a cough", tally.stopped_by_cough, at_most=0)
    report.add_times("end of the interruption → next answer,", {"p95": Summary.of(tally.latencies).p95})
    report.add("calls dropped", lost, at_most=0)
    report.details = {"stop_ms": stops.scaled(1000)}


def _scenario(tally: _Tally, until: float) -> Scenario:
    said = clips(*CLIPS)

    async def scenario(record: CallRecord) -> None:
        source = random.Random(record.number)
        leg = record.leg
        await greet(record)
        spoken = await leg.speak(said[record.number % len(said)].pcm)
        turn = 0
        while turn == 0 or time.monotonic() < until:  # once at least, however slow the machine
            turn += 1
            run = await leg.wait_for_voice(10.0, after=spoken.last_voiced)
            if turn > 1:
                tally.latencies.append(run.started - spoken.last_voiced)
            await asyncio.sleep(source.uniform(0.6, 1.6))
            coughed = await leg.speak(cough(record.number * 1000 + turn))
            await asyncio.sleep(COUGH_WATCHED + source.uniform(0, 0.3))
            tally.coughs += 1
            if _stop(record, coughed) < COUGH_WATCHED - 0.3:
                tally.stopped_by_cough += 1
                spoken = await leg.speak(said[turn % len(said)].pcm)  # into whatever the cough set off: not measured
                continue
            spoken = await leg.speak(said[(record.number + turn) % len(said)].pcm)
            await asyncio.sleep(max(0.0, spoken.first_voiced + STOPPED_SECONDS - time.monotonic()))
            tally.stops.append(_stop(record, spoken))

    return scenario


def _stop(record: CallRecord, spoken: Spoken) -> float:
    """Seconds from the caller's first voiced sample to the agent's last one of what it was saying."""
    ended = [run.ended for run in record.leg.heard.runs if run.started < spoken.first_voiced]
    return max(0.0, ended[-1] - spoken.first_voiced)


def environment(calls: int) -> dict[str, str]:
    """Scripted providers with long answers."""
    return scripted(calls, SCRIPTED_REPLY_WORDS=str(REPLY_WORDS))


BENCHMARK = Benchmark(calls=20, seconds=40.0, environment=environment, measure=measure)
