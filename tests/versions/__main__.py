"""The tests of the records and of their backups over each version of PostgreSQL: ``python -m tests.versions``.

``make versions`` runs it for all; ``python -m tests.versions 15 17`` for these; ``--fetch`` only fetches the programs.
``--write`` puts what was run into the table of docs/operations.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.side_by_side import ROOT, counts
from tests.versions.programs import SETS, NotFetched, fetched

VERSIONS: Final = (*SETS, "18")
SUITES: Final[Mapping[str, tuple[str, ...]]] = {
    "migrations, recorder, jobs, erasure, reports": (
        "tests/integration/test_migrations.py",
        "tests/integration/records",
        "tests/integration/operations",
        "tests/integration/reports",
        "--ignore=tests/integration/operations/test_scheduler_on_ray.py",
        "--ignore=tests/integration/operations/test_job_server.py",
    ),
    "backups, restore check, restore": (
        "tests/integration/backup",
        "--ignore=tests/integration/backup/test_versions.py",
    ),
}
"""Left out: what is about Ray alone, and what takes an older PostgreSQL whichever is under test."""
PAGE: Final = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- begin: python -m tests.versions --write -->\n", "<!-- end -->\n"


@dataclass(frozen=True, slots=True)
class Tried:
    """One version, and how each suite ended."""

    version: str
    """As the server says it, such as ``15.18``."""
    outcomes: Mapping[str, str]
    well: bool


def try_version(programs: Path) -> Tried:
    """Run all suites with these programs."""
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30)
    version = said.stdout.split("(PostgreSQL)")[1].split()[0]
    outcomes, well = {}, True
    for name, paths in SUITES.items():
        print(f"\nPostgreSQL {version}: {name}", flush=True)
        code, outcomes[name] = _run(programs, paths)
        well = well and code == 0
    return Tried(version, outcomes, well)


def _run(programs: Path, paths: Sequence[str]) -> tuple[int, str]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trunkline-versions-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-o", f"cache_dir={folder}/cache"]
        environment = {**os.environ, "POSTGRES_UNDER_TEST": str(programs)}
        code = subprocess.run([*command, *paths], cwd=ROOT, env=environment, check=False).returncode
        found = counts(report)
    told = ", ".join(f"{found[word]} {word}" for word in ("failed", "errors", "passed", "skipped") if found[word])
    return code, f"{told or 'none ran'} ({time.monotonic() - began:.0f} s)"


def rows(tried: Sequence[Tried], day: str) -> dict[str, str]:
    """Of the table, by their major versions: how each suite ended."""
    told = {one.version: " | ".join(one.outcomes[name] for name in SUITES) for one in tried}
    return {version.partition(".")[0]: f"| {version} | {how} | {day} |" for version, how in told.items()}


def table(lines: Mapping[str, str]) -> str:
    """For people."""
    head = [f"| PostgreSQL | {' | '.join(SUITES)} | day |", "|---" * (len(SUITES) + 2) + "|"]
    return "\n".join([*head, *(lines[version] for version in sorted(lines)), ""])


def written(page: str, lines: Mapping[str, str]) -> str:
    """The page with these rows in its table, in place of earlier ones of their versions."""
    before, _, rest = page.partition(BEGIN)
    old, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{PAGE.name} has no place for the table: {BEGIN.strip()} … {END.strip()}")
    kept = {found[1]: found[0] for found in re.finditer(r"^\| (\d+)\..*\|$", old, re.MULTILINE)}
    return f"{before}{BEGIN}{table({**kept, **lines})}{END}{after}"


def main() -> int:
    """0 where every test passed over every version that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION", help=" ".join(VERSIONS))
    parser.add_argument("--fetch", action="store_true", help="fetch the programs, and run nothing")
    parser.add_argument("--write", action="store_true", help=f"put what was run into the table of docs/{PAGE.name}")
    asked = parser.parse_args()
    if unknown := set(asked.versions) - set(VERSIONS):
        parser.error(f"no such version here: {', '.join(sorted(unknown))}")
    try:
        places = {version: fetched(version) for version in asked.versions}
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 2
    for version, place in places.items():
        print(f"PostgreSQL {version}: {place}", flush=True)
    if asked.fetch:
        return 0
    tried = [try_version(place) for place in places.values()]
    lines = rows(tried, f"{datetime.now(UTC):%Y-%m-%d}")
    print(f"\n{table(lines)}", flush=True)
    if asked.write:
        PAGE.write_text(written(PAGE.read_text("utf-8"), lines), "utf-8")
    return 0 if all(one.well for one in tried) else 1


if __name__ == "__main__":
    sys.exit(main())
