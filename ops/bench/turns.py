"""End of speech to first sound with the embedded models and real speech, and how well the words are recognised."""

from __future__ import annotations

import math
import time

from ops.bench.arrivals import poisson
from ops.bench.bench import Bench, Benchmark, usage_table, watch
from ops.bench.crowd import CallRecord, clips, converse, crowd, stage_table
from ops.bench.statistics import Summary
from ops.bench.word_errors import word_errors

CLIPS = ("order_status", "how_much", "opening_hours", "winter_tyres", "size", "yes_correct")
"""None of them ends a call or leads to an operator."""
ARRIVALS_A_SECOND = 2.0
SETTLE_SECONDS = 3.0
SOLO_WITHIN_MS = 1000
MANY_WITHIN_MS = 2000
THOUGHT_WITHIN_MS = 80
"""For the rules that answer where no language model is."""
WORSE_AT_MOST = 2.0
"""Percentage points of word errors that many calls may have more than one: what few turns cannot tell apart."""


async def measure(bench: Bench) -> None:
    """First one call alone, each clip some times; then, where more are asked for, all of them."""
    report, speech = bench.report, bench.settings.speech
    report.declared = {
        "recogniser": speech.stt,
        "voice": speech.tts,
        "model": speech.llm,
        "endpointing": f"{bench.settings.dialogue.endpointing_ms} ms of silence",
    }
    bench.progress("one call alone")
    solo = await _alone(bench)
    if bench.calls == 1:
        return
    await _together(bench, solo)


async def _alone(bench: Bench) -> float:
    """One call; returns its word errors in per cent."""
    report, said = bench.report, clips(*CLIPS)
    async with crowd(bench.engine, bench.token, follow=True) as callers:
        rounds = max(1, round(bench.seconds / 30))
        callers.send(converse(said, turns=len(said) * rounds), [0.0])
        await callers.finish(60.0 + 30.0 * len(said) * rounds)
        summary = Summary.of(callers.latencies())
        words = word_error_percent(callers.records)
        label = "" if bench.calls == 1 else "alone: "
        report.add(f"{label}turns", summary.count, at_least=len(said) * rounds)
        wanted = {"p50": summary.p50, "p95": summary.p95}
        report.add_times(f"{label}end of speech → first sound,", wanted, p50=SOLO_WITHIN_MS)
        report.add(f"{label}word errors", words, "%")
        report.add(f"{label}calls dropped", callers.lost, at_most=0)
        report.tables[f"Stages {label or 'of '}one call, by the engine's account"] = stage_table(callers.records)
        report.notes += [f"{label}{fault}" for fault in callers.faults()]
        report.details["alone_ms"] = summary.scaled(1000)
    return words


async def _together(bench: Bench, solo: float) -> None:
    report = bench.report
    arrivals = poisson(bench.calls, ARRIVALS_A_SECOND)
    since = time.monotonic() + arrivals[-1] + SETTLE_SECONDS
    until = since + bench.seconds
    async with crowd(bench.engine, bench.token, follow=True) as callers:
        callers.send(converse(clips(*CLIPS), until=lambda: until), arrivals)
        bench.progress(f"{bench.calls} calls arrive within {arrivals[-1]:.0f} s, then {bench.seconds:g} s are measured")
        measured = await watch(bench, since, bench.seconds, bench.calls)
        await callers.finish(90.0)
        latencies = callers.latencies(since, until)
        summary, gaps = Summary.of(latencies), Summary.of(callers.gaps(since, until))
        words = word_error_percent(callers.records)
        report.add("turns", summary.count, at_least=bench.calls)
        wanted = {"p50": summary.p50, "p95": summary.p95, "worst": summary.worst}
        report.add_times("end of speech → first sound,", wanted, p95=MANY_WITHIN_MS)
        report.add("calls dropped", callers.lost, at_most=0)
        report.add("turns without an answer", sum(math.isinf(latency) for latency in latencies), at_most=0)
        report.add("word errors", words, "%", at_most=round(solo + WORSE_AT_MOST, 1))
        thought = Summary.of(thinking_seconds(callers.records))
        report.add_times("text → first word of the answer, tools and all,", {"p50": thought.p50})
        report.add_times("text → first word of the answer, tools and all,", {"p95": thought.p95}, p95=THOUGHT_WITHIN_MS)
        report.add_times("gap between frames,", {"p99": gaps.p99, "worst": gaps.worst})
        report.add("a call's process", measured.cost.cores * 100, "% of a core")
        report.add("a call's private memory", measured.cost.private_mb, "MB")
        report.tables[f"Stages with {bench.calls} calls, by the engine's account"] = stage_table(callers.records)
        report.tables["Processor time"] = usage_table(measured)
        report.notes += [*callers.faults(), callers.own_lateness()]
        report.details["together_ms"] = summary.scaled(1000)


def thinking_seconds(records: list[CallRecord]) -> list[float]:
    """From a turn's text to the first word of its answer, by the engine's account."""
    found = []
    for record in records:
        for event in record.leg.engine_events:
            stages = event.data.get("stages", {}) if event.type == "turn" else {}
            if "final_text" in stages and "first_token" in stages:
                found.append(float(stages["first_token"]) - float(stages["final_text"]))
    return found


def word_error_percent(records: list[CallRecord]) -> float:
    """Word errors of all that was said in these calls, in per cent; NaN where the engine told nothing.

    A call's whole text is compared at once, so that a turn that the engine took for two counts for what was understood.
    """
    wrong = total = 0
    for record in records:
        heard = [str(event.data.get("caller", "")) for event in record.leg.engine_events if event.type == "turn"]
        if heard:
            errors, words = word_errors(" ".join(turn.clip.text for turn in record.turns), " ".join(heard))
            wrong, total = wrong + errors, total + words
    return 100 * wrong / total if total else math.nan


def environment(calls: int) -> dict[str, str]:
    """The models that come with the engine."""
    return {
        "TRUNKLINE_STT": "embedded",
        "TRUNKLINE_TTS": "embedded",
        "TRUNKLINE_LLM": "policy",
        "TRUNKLINE_CAPACITY": str(calls),
        "TRUNKLINE_POOL_READY": str(calls),
    }


BENCHMARK = Benchmark(calls=1, seconds=60.0, environment=environment, measure=measure)
