"""What a caller hears when the process that leads his call is killed in mid-conversation, in every state of a call."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from array import array
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final

from engine.audio.format import FRAME_SAMPLES, SAMPLE_BYTES
from engine.errors import TrunklineError
from ops.bench.arrivals import evenly
from ops.bench.bench import Bench, Benchmark
from ops.bench.crowd import GREETING_SECONDS, CallRecord, Clip, Scenario, ask, clips, crowd, greet
from ops.bench.declared import declared, scripted
from ops.bench.processes import CALL_PROCESS, look
from ops.bench.statistics import Summary
from ops.bench.word_errors import word_errors
from ops.caller import Caller
from ops.heard import VOICED_PEAK, voiced_span

STATES: Final = ("greeting", "listening", "hearing", "thinking", "speaking")
"""What the call does when its process is killed; call 1 in the first, call 2 in the second, and round again."""
SPACING_SECONDS: Final = 1.5
SPARE: Final = 4
WATCHED_SECONDS: Final = 2.0
"""After a kill, for the gap between frames and between voiced frames."""
NEXT_SECONDS: Final = 10.0
ON_ITS_WAY_SECONDS: Final = 0.1
"""Voice that arrives so soon after a kill was sent before it."""


class KillError(TrunklineError):
    """There is no process of a call to kill."""


@dataclass(slots=True)
class Kill:
    """One process killed, and what followed."""

    call: int
    state: str
    at: float
    gap: float = math.inf
    """Longest distance between two frames around it, in seconds."""
    resumed: float = math.nan
    """Seconds from the kill until the interrupted sentence was heard again; NaN where none was interrupted."""
    share: float = math.nan
    """How much of the interrupted sentence was heard in all, of an undisturbed one of the same length."""
    answered: float = math.nan
    """Seconds from the end of the speech it fell into to the answer; NaN where it fell into none."""
    next_latency: float = math.inf
    """Of the turn after it."""
    history: int = -1
    """Messages that the successor knew of; -1 where it told nothing."""
    heard: str = ""
    """What was recognised of the speech it fell into."""
    undisturbed: str = ""
    """What was recognised of the same speech later, when nothing was killed."""


async def measure(bench: Bench) -> None:
    """Each call's process is killed once."""
    report = bench.report
    report.declared = declared(bench.settings)
    kills: list[Kill] = []
    said = trimmed(clips("order_status", "how_much", "opening_hours"))
    async with crowd(bench.engine, bench.token, follow=True, keep_audio=True) as callers:
        bench.progress(f"{bench.calls} calls, one every {SPACING_SECONDS:g} s")
        callers.send(_scenario(kills, said), evenly(bench.calls, bench.calls * SPACING_SECONDS))
        await callers.finish(bench.calls * SPACING_SECONDS + bench.seconds)
        report.notes += [*callers.faults(), callers.own_lateness()]
        lost = callers.lost
    _report(bench, kills, lost)
    spoken_into = [kill for kill in kills if kill.state == "hearing"]
    if bench.settings.speech.stt != "scripted":
        wrong = sum(word_errors(said[0].text, kill.heard)[0] for kill in spoken_into)
        usual = sum(word_errors(said[0].text, kill.undisturbed)[0] for kill in spoken_into)
        report.add("speech that a kill fell into", len(spoken_into), at_least=1)
        report.add("word errors in it (at most: those without a kill)", wrong, "words", at_most=usual)
    else:
        report.notes.append(
            "a scripted recogniser cannot show whether words were lost; TRUNKLINE_STT=embedded adds that number"
        )


def _report(bench: Bench, kills: list[Kill], lost: int) -> None:
    report = bench.report
    gaps = Summary.of(kill.gap for kill in kills)
    resumed = Summary.of(kill.resumed for kill in kills if kill.state in {"greeting", "speaking"})
    shares = [kill.share for kill in kills if not math.isnan(kill.share)]
    answered = Summary.of(kill.answered for kill in kills if kill.state in {"hearing", "thinking"})
    report.add("processes killed", len(kills), at_least=bench.calls)
    report.add(
        "states they were killed in", len({kill.state for kill in kills}), at_least=min(bench.calls, len(STATES))
    )
    report.add("calls dropped", lost, at_most=0)
    gap_limit = {"p95": 60} if bench.settings.speech.stt == "scripted" else {}  # models computing beside it cost gaps
    report.add_times("gap between frames,", {"p50": gaps.p50, "p95": gaps.p95, "worst": gaps.worst}, **gap_limit)
    report.add_times("kill → the sentence is heard again,", {"p50": resumed.p50, "worst": resumed.worst}, worst=500)
    report.add("least of an interrupted sentence heard", min(shares, default=math.nan) * 100, "%", at_least=95)
    report.add_times("answer to speech that a kill fell into,", {"p50": answered.p50, "worst": answered.worst})
    report.add(
        "speech that a kill fell into, without an answer",
        sum(not kill.answered < NEXT_SECONDS for kill in kills if kill.state in {"hearing", "thinking"}),
        at_most=0,
    )
    report.add(
        "went on: next turn answered", sum(kill.next_latency < NEXT_SECONDS for kill in kills), at_least=bench.calls
    )
    knew = sum(kill.history >= (0 if kill.state == "greeting" else 2) for kill in kills)
    report.add("went on with their history", knew, at_least=bench.calls)
    report.tables["Kills"] = [
        {
            "call": kill.call + 1,
            "killed while": kill.state,
            "frame gap ms": kill.gap * 1000,
            "resumed ms": kill.resumed * 1000 if not math.isnan(kill.resumed) else "-",
            "heard %": kill.share * 100 if not math.isnan(kill.share) else "-",
            "answered ms": kill.answered * 1000 if not math.isnan(kill.answered) else "-",
            "next turn ms": kill.next_latency * 1000,
            "history": kill.history,
        }
        for kill in sorted(kills, key=lambda one: one.call)
    ]
    report.details["kills"] = [asdict(kill) for kill in kills]


def trimmed(said: list[Clip]) -> list[Clip]:
    """The clips without the silence at their end, so that a caller is free to act when he has spoken."""
    result = []
    for clip in said:
        span = voiced_span(clip.pcm)
        assert span is not None
        result.append(Clip(clip.name, clip.pcm[: (span[1] + FRAME_SAMPLES) * SAMPLE_BYTES], clip.text))
    return result


def _scenario(kills: list[Kill], said: list[Clip]) -> Scenario:
    async def scenario(record: CallRecord) -> None:
        leg, state = record.leg, STATES[record.number % len(STATES)]
        if state != "greeting":
            await greet(record)
            await ask(record, said[1])
        sentence = len(voiced_frames(leg))  # of the greeting and one answer, undisturbed
        kill = await _act(record, state, said[0])
        kills.append(kill)
        leg_quiet = await leg.wait_for_quiet(0.7)
        await asyncio.sleep(max(0.0, kill.at + WATCHED_SECONDS - time.monotonic()))
        kill.gap = max(leg.heard.gaps(kill.at - 0.1, kill.at + WATCHED_SECONDS), default=math.inf)
        if state in {"greeting", "speaking"}:
            kill.resumed = resumed_after(leg, kill.at)
        await ask(record, said[2])
        kill.next_latency = record.turns[-1].latency
        await asyncio.sleep(0.3)
        kill.history = _history(leg)
        if state == "speaking":
            kill.share = _share(leg, sentence, kill.at, leg_quiet)
        kill.heard = _heard_about(leg, kill.at)
        if state == "hearing":
            await ask(record, said[0])
            await asyncio.sleep(0.3)
            kill.undisturbed = (_turns_after(leg, kill.at) or [""])[-1]

    return scenario


async def _act(record: CallRecord, state: str, clip: Clip) -> Kill:
    """Bring the call into the state, kill, and see the turn through that was under way."""
    leg = record.leg
    if state == "greeting":
        await leg.wait_for_voice(GREETING_SECONDS, after=leg.dialled_at)
        await asyncio.sleep(0.5)
        return await kill_process(record, state)
    await asyncio.sleep(0.5)
    if state == "listening":
        return await kill_process(record, state)
    if state == "hearing":
        done = leg.begin_speaking(clip.pcm)
        await asyncio.sleep(1.2)
        kill = await kill_process(record, state)
        spoken = await done
    else:
        spoken = await leg.speak(clip.pcm)
        if state == "thinking":
            await asyncio.sleep(0.3)
        else:
            await leg.wait_for_voice(NEXT_SECONDS, after=spoken.last_voiced)
            await asyncio.sleep(0.8)
        kill = await kill_process(record, state)
    run = await leg.wait_for_voice(NEXT_SECONDS, after=spoken.last_voiced)
    if state != "speaking":
        kill.answered = run.started - spoken.last_voiced
    return kill


async def kill_process(record: CallRecord, state: str) -> Kill:
    """``kill -9`` of the process that leads this call now. Raises KillError where that is not one of a call."""
    event = await record.leg.wait_for_event("actor", 2.0)
    pids = [one.data.get("pid") for one in record.leg.engine_events if one.type == event.type]
    pid = pids[-1]
    process = look(pid) if isinstance(pid, int) else None
    if process is None or not process.title.startswith(CALL_PROCESS):
        raise KillError(f"no process of a call with number {pid} on this machine")
    at = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    return Kill(record.number, state, at)


def voiced_frames(leg: Caller) -> list[float]:
    """Arrival times of all frames with voice."""
    found = []
    for pcm, at in zip(leg.heard.frames, leg.heard.times, strict=False):
        samples = array("h", pcm[: len(pcm) & ~1])
        if samples and (max(samples) >= VOICED_PEAK or min(samples) <= -VOICED_PEAK):
            found.append(at)
    return found


def resumed_after(leg: Caller, at: float) -> float:
    """Seconds from ``at`` to the end of the silence that began around it; infinite where no voice came again."""
    voiced = [time for time in voiced_frames(leg) if at - 0.2 <= time <= at + WATCHED_SECONDS]
    if not voiced or voiced[-1] <= at + ON_ITS_WAY_SECONDS:
        return math.inf
    near = [pair for pair in pairwise(voiced) if pair[1] > at and pair[0] <= at + ON_ITS_WAY_SECONDS]
    before, after = max(near, key=lambda pair: pair[1] - pair[0])
    return max(0.0, after - at) if after - before > 0.03 else 0.0


def _share(leg: Caller, undisturbed: int, at: float, quiet: float) -> float:
    """Voice of the sentence that the kill fell into, of that of the answer before."""
    voiced = voiced_frames(leg)
    runs = [run for run in leg.heard.runs if run.started <= at]
    if len(runs) < 2:
        return math.nan
    interrupted = sum(runs[-1].started - 0.02 <= time <= quiet for time in voiced)
    answers = [run for run in leg.heard.runs if run.ended < runs[-1].started]
    before = sum(answers[-1].started - 0.02 <= time <= answers[-1].ended for time in voiced)
    return interrupted / before if before and undisturbed else math.nan


def _history(leg: Caller) -> int:
    told = [event.data.get("history") for event in leg.engine_events if event.type == "takeover"]
    return told[-1] if told and isinstance(told[-1], int) else -1


def _heard_about(leg: Caller, at: float) -> str:
    """The first turn that was reported after the kill."""
    return next(iter(_turns_after(leg, at)), "")


def _turns_after(leg: Caller, at: float) -> list[str]:
    """What the engine understood of each turn that it reported after ``at``."""
    return [str(one.data.get("caller", "")) for one in leg.engine_events if one.type == "turn" and one.t > at]


def environment(calls: int) -> dict[str, str]:
    """Scripted providers, processes to spare; the user's own choice of a recogniser is kept."""
    chosen = os.environ.get("TRUNKLINE_STT", "scripted")
    return scripted(calls, POOL_SPARE=str(SPARE)) | {"TRUNKLINE_STT": chosen}


BENCHMARK = Benchmark(calls=10, seconds=60.0, environment=environment, measure=measure)
