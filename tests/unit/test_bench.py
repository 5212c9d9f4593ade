"""The rooms of the benchmarks that need no engine."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import load_settings
from engine.errors import ConfigurationError
from ops.bench.arrivals import evenly, poisson
from ops.bench.barge_in import cough
from ops.bench.bench import call_cost
from ops.bench.command import BENCHMARKS, find
from ops.bench.crowd import clips
from ops.bench.declared import ideal_path, ideal_seconds, merged, scripted
from ops.bench.engine_process import READY, EngineError, parse_against
from ops.bench.processes import Meter, descendants, look, private_bytes, still_running
from ops.bench.report import Report, text_table
from ops.bench.statistics import Summary, percentile
from ops.bench.takeover import trimmed
from ops.heard import Heard, voiced_span


def frame(*samples: int) -> bytes:
    return struct.pack("<160h", *samples, *[0] * (160 - len(samples)))


# ---- arrivals and statistics


def test_arrivals_are_decided_beforehand() -> None:
    assert evenly(4, 2.0) == [0.0, 0.5, 1.0, 1.5]
    times = poisson(2000, 10.0, seed=3)
    assert times == poisson(2000, 10.0, seed=3)
    assert times != poisson(2000, 10.0, seed=4)
    assert times == sorted(times)
    assert times[-1] == pytest.approx(200, rel=0.1)


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_percentiles_of_known_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert math.isnan(percentile([], 0.5))
    assert percentile([1.0, math.inf], 0.95) == math.inf  # no answer is slower than any answer


def test_a_summary_of_nothing_is_not_a_number() -> None:
    assert Summary.of([]).count == 0
    assert math.isnan(Summary.of([]).p95)
    assert Summary.of([0.1, 0.3]).scaled(1000) == {
        "count": 2, "p50": 100.0, "p95": 300.0, "p99": 300.0, "worst": 300.0, "mean": 200.0,
    }  # fmt: skip


# ---- reports


def test_a_report_says_what_was_reached() -> None:
    report = Report("overhead", "trunkline bench overhead --calls 20", {"recogniser": "100 ms"}, "500 + 100 = 600 ms")
    report.add_times("first sound,", {"p50": 0.7421, "p95": 0.81}, p50=750, p95=800)
    report.add("calls", 20, at_least=20)
    report.add("memory", 79.53, "MB")
    assert [row.verdict for row in report.rows] == ["reached", "MISSED", "reached", ""]
    assert not report.reached
    text = report.as_text()
    assert "| first sound, p95 | 810 ms   | ≤ 800 ms | MISSED  |" in text
    assert "ideal path: 500 + 100 = 600 ms" in text
    body = json.loads(report.as_json())
    assert body["reached"] is False
    assert body["numbers"][0] == {
        "label": "first sound, p50", "value": 742.1, "unit": "ms", "wanted": "≤ 750 ms", "verdict": "reached",
    }  # fmt: skip


def test_what_was_not_measured_is_not_reached() -> None:
    report = Report("x", "x")
    report.add("a", math.nan, at_most=5)
    report.add("b", math.inf, "ms", at_most=5)
    report.add("c", math.nan, at_least=5)
    assert [row.verdict for row in report.rows] == ["MISSED"] * 3
    assert "not measured" in report.as_text()
    assert "| never " in report.as_text()
    assert json.loads(report.as_json())["numbers"][0]["value"] is None


def test_a_table_lines_up() -> None:
    assert text_table(["a", "bb"], [["1", "2"], ["333", "4"]]) == [
        "| a   | bb  |", "| --- | --- |", "| 1   | 2   |", "| 333 | 4   |",
    ]  # fmt: skip


# ---- settings and ideal path


def test_every_benchmark_runs_with_settings_that_load() -> None:
    for name in BENCHMARKS:
        benchmark = find(name)
        settings = load_settings(benchmark.environment(benchmark.calls))
        assert settings.pool.capacity == benchmark.calls
    with pytest.raises(ConfigurationError, match="overhead"):
        find("speed")


def test_the_ideal_path() -> None:
    settings = load_settings(merged({"TRUNKLINE_ENDPOINTING_MS": "500"}, scripted(20)))
    assert ideal_seconds(settings) == pytest.approx(0.57)
    assert ideal_path(settings) == (
        "max(endpointing 400, pause 90 + recogniser 100 + first token 200 + first clause 80) + first audio 100 = 570 ms"
    )
    always = load_settings(merged({"TRUNKLINE_ENDPOINTING_ADAPTIVE": "false"}, scripted(20)))
    assert ideal_seconds(always) == pytest.approx(0.5 + 0.1)
    slow = load_settings(scripted(20, SCRIPTED_FIRST_TOKEN_MS="700"))
    assert ideal_seconds(slow) == pytest.approx(0.09 + 0.1 + 0.7 + 0.08 + 0.1)
    patient = load_settings(scripted(20, SPECULATE="false", ENDPOINTING_ADAPTIVE="false", ENDPOINTING_MS="300"))
    assert ideal_seconds(patient) == pytest.approx(0.3 + 0.38 + 0.1)
    short = load_settings(scripted(20, SCRIPTED_REPLY_WORDS="1", ENDPOINTING_MS="100", PAUSE_MS="60"))
    assert ideal_seconds(short) == pytest.approx(0.06 + 0.1 + 0.2 + 0.1)


def test_where_a_running_engine_is() -> None:
    engine = parse_against("10.0.0.7:9092", telephony_port=9093)
    assert (engine.address, engine.telephony, engine.pid) == (("10.0.0.7", 9092), "http://10.0.0.7:9093", None)
    assert parse_against("[::1]:1,http://x:2", telephony_port=9).telephony == "http://x:2"
    with pytest.raises(EngineError):
        parse_against("nowhere", telephony_port=9)


def test_the_line_that_says_ready() -> None:
    found = READY.match("ready audiosocket=127.0.0.1:4711 telephony=http://127.0.0.1:1 admin=http://127.0.0.1:2\n")
    assert found is not None
    assert (found["host"], found["port"], found["url"]) == ("127.0.0.1", "4711", "http://127.0.0.1:1")


# ---- processes


def test_own_process_is_seen_with_its_cost() -> None:
    own = look(os.getpid())
    assert own is not None
    assert own.kind.startswith("python")
    assert own.cpu > 0
    assert own.started < time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 5e6 < private_bytes(os.getpid()) < 5e9
    assert os.getpid() in {process.pid for process in descendants(os.getpid())}
    assert still_running([own]) == [own]
    assert look(2**22 + 1) is None
    assert private_bytes(2**22 + 1) == 0


def process_seconds(pid: int) -> float:
    """Processor seconds of a process so far."""
    found = look(pid)
    assert found is not None
    return found.cpu


def test_usage_counts_work() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            meter = Meter(busy.pid)
            began = process_seconds(busy.pid)
            while process_seconds(busy.pid) - began < 0.15:
                sum(range(1000))
            usage = meter.usage()
        finally:
            busy.kill()
    assert 0.1 <= usage.total * usage.seconds < 2.0
    assert usage.calls == {}
    assert math.isnan(call_cost(usage, 5).cores)


# ---- sounds


def test_clips_are_there_with_their_texts() -> None:
    everything = clips()
    assert len(everything) >= 6
    assert all(clip.text for clip in everything)
    assert clips("how_much")[0].text == "How much does it cost?"
    for clip, cut in zip(everything, trimmed(everything), strict=True):
        assert voiced_span(cut.pcm) == voiced_span(clip.pcm)
        assert len(cut.pcm) < len(clip.pcm) - 8000  # their half second of silence


def test_a_cough_is_short_loud_and_the_same_each_time() -> None:
    pcm = cough(5)
    span = voiced_span(pcm, 1000)
    assert span is not None
    assert len(pcm) == 1600
    assert 600 < span[1] - span[0] < 800
    assert cough(5) == pcm != cough(6)


def test_a_voiced_span_is_exact() -> None:
    assert voiced_span(bytes(640)) is None
    assert voiced_span(frame(*[0] * 7, 5000, 0, 0, -5000)) == (7, 10)
    assert voiced_span(frame(329, -329)) is None
    assert voiced_span(frame(330)) == (0, 0)


def test_runs_of_voice() -> None:
    heard = Heard()
    voiced = frame(*[0] * 80, 9000)
    began = [
        heard.add(pcm, 10 + number * 0.02)
        for number, pcm in enumerate([bytes(320)] * 3 + [voiced] * 5 + [bytes(320)] * 8 + [voiced] + [bytes(320)] * 12)
    ]
    assert [number for number, yes in enumerate(began) if yes] == [3]
    assert heard.add(voiced, 10.58)
    assert [(run.first_frame, run.last_frame) for run in heard.runs] == [(3, 16), (29, 29)]
    assert heard.runs[0].started == pytest.approx(10.06 + 0.01)
    assert heard.runs[0].ended == pytest.approx(10.32 + 0.01)
    assert heard.runs[0].last_arrival == pytest.approx(10.32)
    assert heard.gaps() == pytest.approx([0.02] * 29)
    assert heard.gaps(since=10.57) == []
    assert heard.audio(3, 4) == voiced * 2


def test_a_timeline_shows_what_came_late() -> None:
    heard = Heard()
    for number in range(3):
        heard.add(frame(9000), 5 + number * 0.021)  # a little late each time: a jitter buffer hides that
    heard.add(frame(9000), 6.0)
    sound = heard.timeline(5.0)
    assert len(sound) == (8000 + 160) * 2
    assert sound[:960] == frame(9000) * 3
    assert sound[960:16000] == bytes(15040)
