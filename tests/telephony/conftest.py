"""What the telephony tests share: one Asterisk, one engine of each kind, and an operator for each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.telephony.rig.asterisk import Asterisk
from tests.telephony.rig.engine import SCRIPTED, Engine
from tests.telephony.rig.install import CannotInstallError, Installation, ensure_installed
from tests.telephony.rig.phones import SipOperator

CAPACITY: Final = 3
"""Calls that the scripted engine takes at once."""


@dataclass(slots=True)
class _Run:
    """What the last line of the test run tells."""

    version: str = ""
    notes: list[str] = field(default_factory=list)
    missing: str = ""
    tests: int = 0


_RUN: Final = pytest.StashKey[_Run]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RUN] = _Run()


@pytest.fixture(scope="session")
def installation(request: pytest.FixtureRequest) -> Installation:
    """The unpacked Asterisk; where it cannot be had the test is skipped, or fails where it must be had."""
    run = request.config.stash[_RUN]
    try:
        installed = ensure_installed()
    except CannotInstallError as error:
        reason = error
    else:
        if installed.seconds:
            run.notes.append(f"installed in {installed.seconds:.0f} s")
        return installed
    run.missing = str(reason)
    if _required(reason):
        pytest.fail(f"could not install Asterisk: {reason}", pytrace=False)
    pytest.skip(f"could not install Asterisk: {reason}")


def _required(reason: CannotInstallError) -> bool:
    if os.environ.get("TRUNKLINE_REQUIRE_TELEPHONY") == "1":
        return True
    return os.environ.get("CI", "").lower() in {"1", "true"} and reason.capable


@pytest.fixture(scope="session")
def running_asterisk(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Asterisk]:
    pbx = Asterisk(installation)
    pbx.start()
    request.config.stash[_RUN].version = pbx.version
    yield pbx
    pbx.stop()


@pytest.fixture
async def asterisk(running_asterisk: Asterisk, request: pytest.FixtureRequest) -> AsyncIterator[Asterisk]:
    """Asterisk, with no call in it before and after the test."""
    request.config.stash[_RUN].tests += 1
    request.node.stash[_LOG] = (running_asterisk, running_asterisk.log_size())
    yield running_asterisk
    await running_asterisk.wait_idle(within=5.0)


@pytest.fixture
async def operator(asterisk: Asterisk) -> AsyncIterator[SipOperator]:
    """The operators' telephone."""
    async with SipOperator(asterisk.operator_port) as phone:
        yield phone


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a measured number to the last line of the test run."""
    return request.config.stash[_RUN].notes.append


@pytest.fixture(scope="session")
def start_engine(running_asterisk: Asterisk, request: pytest.FixtureRequest) -> Iterator[Callable[..., Engine]]:
    """Starts an engine with these settings; at the end all of them are stopped at once."""
    engines: list[Engine] = []

    def start(kind: str, settings: dict[str, str]) -> Engine:
        engine = Engine(settings)
        engine.start()
        engines.append(engine)
        request.config.stash[_RUN].notes.append(f"{kind} engine ready in {engine.boot_seconds:.1f} s")
        return engine

    yield start
    for engine in engines:
        engine.interrupt()
    for engine in engines:
        engine.stop()


@pytest.fixture(scope="session")
def scripted_engine(start_engine: Callable[[str, dict[str, str]], Engine]) -> Engine:
    """The engine with stand-ins for the models, for ``CAPACITY`` calls."""
    return start_engine(
        "scripted", {**SCRIPTED, "TRUNKLINE_CAPACITY": str(CAPACITY), "TRUNKLINE_SCRIPTED_REPLY_WORDS": "6"}
    )


@pytest.fixture(scope="session")
def embedded_engine(start_engine: Callable[[str, dict[str, str]], Engine]) -> Engine:
    """The engine as it comes, with its embedded models."""
    return start_engine("embedded", {"TRUNKLINE_CAPACITY": "1", "TRUNKLINE_OPENING_HOURS": "always"})


_LOG: Final = pytest.StashKey[tuple[Asterisk, int]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test shows what Asterisk and the engine logged during it."""
    report: pytest.TestReport = yield  # type: ignore[assignment]  # pluggy sends the inner hook's result
    if report.failed and (logged := item.stash.get(_LOG, None)):
        pbx, offset = logged
        report.sections.append(("Asterisk's log", pbx.log(offset)[-6000:]))
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Engine):
                report.sections.append(("the engine's log", value.log()))
    return report  # type: ignore[return-value]  # likewise


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line on whether calls were really made."""
    run = config.stash[_RUN]
    if run.version:
        notes = "".join(f", {note}" for note in run.notes)
        terminalreporter.write_line(f"telephony: {run.tests} tests ran against {run.version}{notes}")
    else:
        reason = f"could not install Asterisk: {run.missing}" if run.missing else "none selected"
        terminalreporter.write_line(f"telephony: NO TEST RAN ({reason})")
