"""All tests, in two runs at once and a quiet one after them: ``python -m tests.side_by_side``.

Most of the time of the tests goes by while a call is held in real time and half the machine is idle. What needs no
quiet, because it neither measures how long something takes nor listens to a call, runs meanwhile in a second run at a
low priority. What is not named here is in the first, whose output is shown as it comes; that of the second follows.
What bears no load beside it has the machine for itself at the end. Plain ``pytest`` has all one after the other.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

BESIDE: Final = (
    "tests/unit",
    "tests/callers",
    "tests/integration/operations",
    "tests/integration/reports",
    "tests/integration/backup",
    "tests/integration/test_chat_providers.py",
    "tests/integration/test_cloud_chains.py",
    "tests/integration/test_demo_clinic.py",
    "tests/integration/test_demo_store.py",
    "tests/integration/test_embedded_servers.py",
    "tests/integration/test_google.py",
    "tests/integration/test_knowledge_database.py",
    "tests/integration/test_migrations.py",
    "tests/integration/test_openai_speech.py",
    "tests/integration/test_privacy.py",
    "tests/integration/records",
    "tests/integration/test_rehearsal.py",
    "tests/integration/test_remote_providers.py",
    "tests/integration/test_shop_tools_over_http.py",
    "tests/contract",
)
"""Folders and files, also by a pattern."""

QUIET: Final = ("tests/telephony",)
"""Alone, when both runs have ended: a tenth of a second without sound fails them."""

ROOT: Final = Path(__file__).parents[1]
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


def _pytest(report: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]


def main() -> int:
    """The worst exit code of all."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trunkline-tests-") as name, Path(name, "output").open("w+b") as output:
        reports = [Path(name, f"{number}.xml") for number in range(3)]
        beside, quiet = named(BESIDE), named(QUIET)
        others = (f"--ignore={path}" for path in (*beside, *quiet))
        second = ["nice", "-n", NICENESS, *_pytest(reports[1], "-o", "cache_dir=.pytest_cache/beside", *beside)]
        print(f"beside the first run: {' '.join(BESIDE)}; after it: {' '.join(QUIET)}", flush=True)
        runs = [
            subprocess.Popen(_pytest(reports[0], *others), cwd=ROOT),
            subprocess.Popen(second, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT),
        ]
        codes = [_ended(run) for run in runs]
        print("\nand the run beside it", flush=True)
        output.seek(0)
        sys.stdout.buffer.write(output.read())
        sys.stdout.flush()
        if INTERRUPTED not in codes:
            print("\nand what needs the machine for itself", flush=True)
            alone = _pytest(reports[2], "-o", "cache_dir=.pytest_cache/quiet", *quiet)
            codes.append(_ended(subprocess.Popen(alone, cwd=ROOT)))
        found = sum((counts(report) for report in reports), Counter[str]())
        print(closing(found, time.monotonic() - began), flush=True)
    return max(codes)


def _ended(run: subprocess.Popen[bytes]) -> int:
    """Its exit code. Ctrl-C is for both runs, and they end in order by themselves."""
    while True:
        try:
            code = run.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
