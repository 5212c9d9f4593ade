"""All tests, in two runs at once and a quiet one after them: ``python -m tests.side_by_side``.

Most of the time of the tests goes by while a call is held in real time and half the machine is idle. What needs no
quiet, because it neither measures how long something takes nor listens to a call, runs meanwhile beside it at a low
priority, a group after the other; whoever is done first takes what is left of the groups, so that both end together on
any machine. What is not named here is in the first run, whose output is shown as it comes; that of the second follows.
What bears no load beside it has the machine for itself at the end. Plain ``pytest`` has all one after the other.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree

BESIDE: Final = (
    ("tests/unit",),
    ("tests/integration/backup",),
    ("tests/integration/test_privacy.py",),
    ("tests/contract", "tests/callers"),
    (
        "tests/integration/records",
        "tests/integration/operations",
        "tests/integration/reports",
        "tests/integration/test_migrations.py",
        "tests/integration/test_each_version.py",
    ),
    (
        "tests/integration/test_embedded_servers.py",
        "tests/integration/test_knowledge_database.py",
        "tests/integration/test_rehearsal.py",
    ),
    (
        "tests/integration/test_chat_providers.py",
        "tests/integration/test_cloud_chains.py",
        "tests/integration/test_demo_clinic.py",
        "tests/integration/test_demo_store.py",
        "tests/integration/test_google.py",
        "tests/integration/test_openai_speech.py",
        "tests/integration/test_remote_providers.py",
        "tests/integration/test_shop_tools_over_http.py",
    ),
)
"""Groups of folders and files, also by a pattern, the longest first: what comes last is shared out best."""

QUIET: Final = ("tests/telephony",)
"""Alone, when both runs have ended: a tenth of a second without sound fails them."""

ROOT: Final = Path(__file__).parents[1]
LOOK_SECONDS: Final = 0.2
NICENESS: Final = "10"
"""Of the second run: a tenth of what the first has, where there is not enough for both; less would starve servers."""
WIDTH: Final = 80
INTERRUPTED: Final = 2
"""pytest's exit code after Ctrl-C."""
_KINDS: Final = {"failures": "failed", "errors": "errors", "skipped": "skipped"}


def named(patterns: Sequence[str]) -> list[str]:
    """Folders and files, in the order of the patterns."""
    return [str(path.relative_to(ROOT)) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def counts(report: Path) -> Counter[str]:
    """How many tests passed, failed and so on, by a run's report; empty where it made none."""
    if not report.exists():
        return Counter()
    found: Counter[str] = Counter()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        of = {word: int(suite.get(name, "0")) for name, word in _KINDS.items()}
        found.update(of | {"passed": int(suite.get("tests", "0")) - sum(of.values())})
    return found


def closing(found: Mapping[str, int], seconds: float) -> str:
    """The last line, in the words of pytest's own."""
    words = [f"{found[word]} {word}" for word in ("failed", "passed", "skipped", "errors") if found.get(word)]
    text = f" {', '.join(words) or 'no tests ran'} in {seconds:.2f}s ({timedelta(seconds=int(seconds))}) "
    return text.center(WIDTH, "=")


class Runs:
    """Runs of pytest, each with a report in ``folder``; those of the second are quiet and go into ``output``."""

    def __init__(self, folder: Path, output: IO[bytes]) -> None:
        self._folder = folder
        self._output = output
        self._number = 0
        self.codes: list[int] = []

    def two_at_once(self, first: Sequence[str], groups: Sequence[Sequence[str]]) -> None:
        """The first run, and the groups beside it and after it, until all have ended."""
        waiting = deque(groups)
        running = {"first": self._start("first", first)}
        if waiting:
            running["beside"] = self._start("beside", waiting.popleft())
        while running:
            try:
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:  # it is for both runs, and they end in order by themselves
                waiting.clear()
            for place, run in list(running.items()):
                if run.poll() is None:
                    continue
                del running[place]
                self.codes.append(_code(run))
                if self.codes[-1] == INTERRUPTED:
                    waiting.clear()
                if waiting:
                    running[place] = self._start(place, waiting.popleft())

    def alone(self, paths: Sequence[str]) -> None:
        """One run, until it has ended."""
        run = self._start("quiet", paths)
        while run.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):
                run.wait()
        self.codes.append(_code(run))

    def _start(self, place: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        self._number += 1
        command = [sys.executable, "-m", "pytest", f"--junitxml={self._folder / f'{self._number}.xml'}"]
        if place != "first":
            command += ["-o", f"cache_dir=.pytest_cache/{place}"]
        if place != "beside":
            return subprocess.Popen([*command, *arguments], cwd=ROOT)
        return subprocess.Popen(
            ["nice", "-n", NICENESS, *command, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def counts(self) -> Counter[str]:
        """Of all runs together."""
        return sum(map(counts, self._folder.glob("*.xml")), Counter[str]())


def _code(run: subprocess.Popen[bytes]) -> int:
    return run.returncode if run.returncode >= 0 else 128 - run.returncode


def main() -> int:
    """The worst exit code of all."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-") as name, Path(name, "output").open("w+b") as output:
        groups, quiet = [named(group) for group in BESIDE], named(QUIET)
        others = [f"--ignore={path}" for path in (*chain(*groups), *quiet)]
        print(f"beside the first run: {' '.join(chain(*BESIDE))}; after it: {' '.join(QUIET)}", flush=True)
        runs = Runs(Path(name), output)
        runs.two_at_once(others, groups)
        print(f"\nboth ended after {time.monotonic() - began:.0f} s; the run beside the first", flush=True)
        output.seek(0)
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
        if INTERRUPTED not in runs.codes:
            print("\nand what needs the machine for itself", flush=True)
            runs.alone(quiet)
        print(closing(runs.counts(), time.monotonic() - began), flush=True)
    return max(runs.codes)


if __name__ == "__main__":
    sys.exit(main())
