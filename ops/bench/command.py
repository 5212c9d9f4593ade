"""``trunkline bench``: finds the benchmark, has an engine for it, prints the report."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Final

from engine.config import Settings, load_settings
from engine.errors import ConfigurationError
from ops.bench.bench import Bench, Benchmark
from ops.bench.declared import merged
from ops.bench.engine_process import engine_process, parse_against
from ops.bench.report import Report

BENCHMARKS: Final = ("overhead", "density", "barge-in", "turns", "accept", "takeover")
OFFLINE: Final = ("endpointing", "records")
"""The benchmarks that need no engine."""


def run(
    name: str,
    settings: Settings,
    *,
    calls: int | None = None,
    seconds: float | None = None,
    against: str | None = None,
    json_file: Path | None = None,
) -> None:
    """Run a benchmark and print its report; exits with 1 where a number was missed.

    ``against``: ``HOST:PORT`` or ``HOST:PORT,URL`` of an engine that runs already; ``settings`` must then be its own.
    Raises TrunklineError.
    """
    if name in OFFLINE:
        report = asyncio.run(_measure_offline(name, settings, calls, seconds))
    else:
        benchmark = find(name)
        report = asyncio.run(
            measure(
                name,
                benchmark,
                settings,
                calls=calls or benchmark.calls,
                seconds=seconds or benchmark.seconds,
                against=against,
            )
        )
    print(report.as_text())
    if json_file is not None:
        json_file.write_text(report.as_json() + "\n", encoding="utf-8")
    if not report.reached:
        sys.exit(1)


def find(name: str) -> Benchmark:
    """The benchmark of that name. Raises ConfigurationError."""
    if name not in BENCHMARKS:
        raise ConfigurationError(f"no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    found = importlib.import_module(f"ops.bench.{name.replace('-', '_')}").BENCHMARK
    assert isinstance(found, Benchmark)
    return found


async def _measure_offline(name: str, settings: Settings, calls: int | None, seconds: float | None) -> Report:
    report = Report(name, f"trunkline bench {name}")
    if name == "endpointing":
        from ops.bench import endpointing  # noqa: PLC0415 - the models load with it

        await endpointing.measure(report, settings, _progress)
        return report
    from ops.bench import records  # noqa: PLC0415 - as above, the database's client

    calls, seconds = calls or records.CALLS, seconds or records.OUTAGE_SECONDS
    report.command += f" --calls {calls} --seconds {seconds:g}"
    await records.measure(report, settings, calls, seconds, _progress)
    return report


async def measure(
    name: str, benchmark: Benchmark, settings: Settings, *, calls: int, seconds: float, against: str | None = None
) -> Report:
    """Run it and return its report."""
    chosen = os.environ.get("TRUNKLINE_STT")  # the one choice of the user's that a benchmark keeps
    prefix = f"TRUNKLINE_STT={chosen} " if chosen and against is None else ""
    report = Report(name, f"{prefix}trunkline bench {name} --calls {calls}")
    wanted = benchmark.environment(calls)
    async with contextlib.AsyncExitStack() as stack:
        if against is not None:
            engine = parse_against(against, telephony_port=settings.network.telephony_port)
            report.command += f" --against {against}"
        else:
            settings = load_settings(merged(os.environ, wanted))
            _progress("starting the engine")
            engine = await stack.enter_async_context(engine_process(wanted))
            report.notes.append(f"the engine was ready after {engine.ready_seconds:.1f} s")
        await benchmark.measure(Bench(engine, settings, calls, seconds, report, _progress))
    if against is None:
        report.notes.append("the engine ended and left no process behind")
    return report


def _progress(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
