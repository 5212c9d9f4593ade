"""Benchmarks against a stand-in engine, whose latencies are known."""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from engine.config import load_settings
from ops.bench import accept, barge_in, density, overhead
from ops.bench.bench import Bench
from ops.bench.command import measure
from ops.bench.crowd import CallRecord, clips, converse, crowd
from ops.bench.declared import scripted
from ops.bench.engine_process import Engine, EngineError, engine_process
from ops.bench.processes import descendants, look
from ops.bench.report import Report
from ops.bench.takeover import KillError, kill_process, resumed_after, voiced_frames
from ops.caller import Caller
from tests.integration.standin_engine import Behaviour, StandinEngine

LOADED = 60.0
"""What a busy machine may add to a percentile, in ms."""


@contextlib.asynccontextmanager
async def bench(behaviour: Behaviour, calls: int, seconds: float) -> AsyncIterator[Bench]:
    async with StandinEngine(behaviour) as standin:
        yield Bench(
            Engine(standin.address, standin.url),
            load_settings(scripted(calls)),
            calls,
            seconds,
            Report("x", "x"),
            lambda _text: None,
        )


def values(report: Report) -> dict[str, float]:
    return {row.label: row.value for row in report.rows}


async def test_overhead_is_what_the_stand_in_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "SETTLE_SECONDS", 0.5)
    async with bench(Behaviour(answer_after=0.62, answer=0.3), calls=4, seconds=4.0) as run:
        await overhead.measure(run)
    found = values(run.report)
    assert found["turns measured"] >= 4
    assert found["end of speech → first sound, p50"] == pytest.approx(620, abs=LOADED)
    assert found["beyond the ideal path, p50"] == pytest.approx(50, abs=LOADED)
    assert found["calls dropped"] == 0
    assert found["turns without an answer"] == 0
    assert found["gap between frames, p99"] < 20 + 2 * LOADED


async def test_density_adds_calls_until_a_limit_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(density, "STEP", 2)
    monkeypatch.setattr(density, "GAP_SECONDS", 0.02 + LOADED / 1000)
    monkeypatch.setattr(density, "OVERHEAD_SECONDS", 0.3)
    async with bench(Behaviour(answer_after=0.62, answer=3.0), calls=4, seconds=6.0) as run:
        await density.measure(run)
    assert [row["calls"] for row in run.report.tables["Levels"]] == [2, 4]
    assert [row["beyond"] for row in run.report.tables["Levels"]] == ["", ""]
    assert values(run.report)["calls at once within the limits"] == 4
    assert run.report.notes[-1] == "the limit of this machine: not reached with 4 calls"


async def test_density_names_what_gave_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(density, "SETTLE_SECONDS", 0.5)
    async with bench(Behaviour(answer_after=1.2, answer=0.2), calls=2, seconds=6.0) as run:
        await density.measure(run)
    assert values(run.report)["calls at once within the limits"] == 0
    assert run.report.notes[-1].startswith("the limit of this machine: at 2 calls: overhead p95 6")


async def test_a_call_that_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "SETTLE_SECONDS", 0.5)
    async with bench(Behaviour(close_at=2.5), calls=2, seconds=3.0) as run:
        await overhead.measure(run)
    assert values(run.report)["calls dropped"] == 2
    assert any("ended" in note for note in run.report.notes)
    assert not run.report.reached


async def test_barge_in_measures_the_stop() -> None:
    behaviour = Behaviour(answer_after=0.3, answer=20.0, stop_after=0.2, deaf_below=0.15)
    async with bench(behaviour, calls=2, seconds=5.0) as run:
        await barge_in.measure(run)
    found = values(run.report)
    assert found["interruptions"] >= 2
    assert found["caller's first voiced sample → agent's last, p50"] == pytest.approx(200, abs=LOADED)
    assert found["not stopped"] == 0
    assert found["stopped by a cough"] == 0
    assert found["coughs"] >= 2


async def test_barge_in_sees_an_agent_that_speaks_on_and_one_that_a_cough_stops() -> None:
    async with bench(Behaviour(answer_after=0.3, answer=9.0), calls=1, seconds=4.0) as run:
        await barge_in.measure(run)
    assert values(run.report)["not stopped"] == values(run.report)["interruptions"] > 0
    async with bench(Behaviour(answer_after=0.3, answer=9.0, stop_after=0.05), calls=1, seconds=4.0) as run:
        await barge_in.measure(run)
    assert values(run.report)["stopped by a cough"] == values(run.report)["coughs"] > 0


async def test_accept_measures_the_first_frame_and_the_greeting() -> None:
    async with bench(Behaviour(greeting_after=0.25), calls=5, seconds=1.5) as run:
        await accept.measure(run)
    found = values(run.report)
    assert found["calls"] == 5
    assert found["connect → first frame, p50"] < LOADED
    assert found["connect → greeting's first voiced sample, p50"] == pytest.approx(250, abs=LOADED)


async def test_a_crowd_keeps_to_its_arrivals() -> None:
    async with StandinEngine() as standin:
        async with crowd(Engine(standin.address, standin.url), "") as callers:
            callers.send(converse(clips("goodbye"), turns=0), [0.0, 0.2, 0.4])
            await callers.finish(10.0)
        dialled = [record.leg.dialled_at - callers.records[0].leg.dialled_at for record in callers.records]
    assert dialled == pytest.approx([0.0, 0.2, 0.4], abs=0.1)
    assert callers.lost == 0
    assert len(standin.registered) == 3


# ---- killing


@contextlib.contextmanager
def sleeper(title: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([title, "60"], executable="/bin/sleep") as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("title", ["ray::CallActor", "somebody-else"])
async def test_only_the_process_of_a_call_is_killed(title: str) -> None:
    failures: list[str] = []

    async def scenario(record: CallRecord) -> None:
        await record.leg.wait_for_event("actor", 2.0, accept=lambda event: event.data["pid"] != 1)
        try:
            await kill_process(record, "listening")
        except KillError as error:
            failures.append(str(error))

    with sleeper(title) as process:
        told: list[dict[str, object]] = [{"type": "actor", "pid": 1}, {"type": "actor", "pid": process.pid}]
        async with (
            StandinEngine(Behaviour(events=told)) as standin,
            crowd(Engine(standin.address, standin.url), "", follow=True) as callers,
        ):
            callers.send(scenario, [0.0])
            await callers.finish(10.0)
        if title == "ray::CallActor":
            assert process.wait(5) == -signal.SIGKILL
            assert failures == []
        else:
            assert process.poll() is None
            assert failures == [f"no process of a call with number {process.pid} on this machine"]


async def test_the_pause_in_a_sentence_is_found() -> None:
    async with (
        StandinEngine(Behaviour(greeting_after=0.1, greeting=1.5, freeze_at=0.6, freeze=0.2)) as standin,
        Caller(standin.address) as call,
    ):
        await call.wait_for_quiet(0.5)
        began = call.heard.times[0]
    assert resumed_after(call, began + 0.6) == pytest.approx(0.2, abs=0.06)
    assert resumed_after(call, began + 1.2) < 0.1  # nothing was interrupted there
    assert resumed_after(call, began + 5.0) == math.inf
    assert len(voiced_frames(call)) == pytest.approx(75 - 10, abs=4)


# ---- the engine's process

ENGINE = """
import os, signal, subprocess, sys, time
print("starting", flush=True)
if {orphan}:
    subprocess.Popen(["/bin/sleep", "30"], start_new_session=True)
print("broken: " + os.environ["TRUNKLINE_CAPACITY"], file=sys.stderr, flush=True)
if {fails}:
    sys.exit(3)
print("ready audiosocket=127.0.0.1:1 telephony=http://127.0.0.1:2 admin=http://127.0.0.1:3", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("x" * 100000, flush=True)
"""


def command(*, orphan: bool = False, fails: bool = False) -> tuple[str, ...]:
    return (sys.executable, "-c", ENGINE.format(orphan=orphan, fails=fails))


async def test_an_engine_is_started_and_ended() -> None:
    async with engine_process({"TRUNKLINE_CAPACITY": "7"}, command=command()) as engine:
        assert engine.address == ("127.0.0.1", 1)
        assert engine.telephony == "http://127.0.0.1:2"
        assert engine.pid is not None
        assert look(engine.pid) is not None
    assert look(engine.pid) is None
    assert engine.left_behind == []


async def test_an_engine_that_does_not_start_says_why() -> None:
    with pytest.raises(EngineError, match="broken: 7"):
        async with engine_process({"TRUNKLINE_CAPACITY": "7"}, command=command(fails=True)):
            pytest.fail("it was not ready")


async def test_what_an_engine_leaves_behind_is_found_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.bench.engine_process.GONE_SECONDS", 0.5)
    orphans: list[int] = []
    with pytest.raises(EngineError, match=r"left processes behind: \d+ sleep"):
        await start_and_end(orphans)
    assert len(orphans) == 1
    assert look(orphans[0]) is None


async def start_and_end(orphans: list[int]) -> None:
    async with engine_process({"TRUNKLINE_CAPACITY": "7"}, command=command(orphan=True)) as engine:
        orphans += [process.pid for process in descendants(engine.pid or 0) if process.pid != engine.pid]


async def test_the_command_measures_an_engine_that_runs() -> None:
    settings = load_settings(scripted(2))
    async with StandinEngine(Behaviour(greeting_after=0.1)) as standin:
        against = f"{standin.address[0]}:{standin.address[1]},{standin.url}"
        report = await measure("accept", accept.BENCHMARK, settings, calls=2, seconds=1.0, against=against)
    assert report.command == f"trunkline bench accept --calls 2 --against {against}"
    assert values(report)["calls"] == 2
