"""The README's table of numbers, made from the measurements that the benchmarks left under docs/measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path("docs/measurements")
BEGIN: Final = "<!-- numbers -->"
END: Final = "<!-- /numbers -->"
ORDER: Final = (
    "turns-1",
    "turns-20",
    "overhead",
    "barge-in",
    "accept",
    "takeover",
    "takeover-words",
    "density",
    "endpointing",
    "records",
    "backup",
)
_TITLES: Final = {
    "turns-1": "one call, real speech, the embedded models",
    "turns-20": "20 calls at once, real speech, the embedded models",
    "overhead": "20 calls, scripted models",
    "barge-in": "20 calls, the caller speaks over the agent",
    "accept": "50 calls arrive, ten a second",
    "takeover": "10 calls, the process of each killed once, in every state",
    "takeover-words": "the same with real speech and the embedded recogniser: is a word lost?",
    "density": "as many calls as the limits allow",
    "endpointing": "the end of a turn: sentences with a pause in them, and without",
    "records": "records: 2,000 events a second into PostgreSQL, and an outage of it",
    "backup": "a backup of a database of 1 GB, beside pg_basebackup alone, its verification and restore",
}


def with_numbers(readme: str, root: Path) -> str:
    """``readme`` with its block of numbers made anew; unchanged where nothing was measured yet."""
    measured = [(name, _load(root / FOLDER / f"{name}.json")) for name in ORDER]
    lines = [line for name, report in measured if report is not None for line in _rows(_TITLES[name], report)]
    if not lines:
        return readme
    machine = next(report["machine"] for _, report in measured if report is not None)
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    block = [
        BEGIN,
        (
            f"Measured on {machine['cores']} cores ({machine['processor']}, no accelerator), "
            f"Python {machine['python']}, "
            f"Ray {machine['ray']}, engine and callers on the same machine, from the caller's side of the socket. "
            "`make bench` takes all of them again and `make generate` writes them here; the whole reports, with the "
            "latencies that the scripted models declare, stand in [docs/measurements](docs/measurements)."
        ),
        "",
        "| what | measured | must be |",
        "|---|---|---|",
        *lines,
        END,
    ]
    return before + "\n".join(block) + after


def _load(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return report


def _rows(title: str, report: dict[str, Any]) -> list[str]:
    rows = [f"| **{title}** | `{report['command']}` | |"]
    for number in report["numbers"]:
        if not number["wanted"] or number["label"].startswith("alone:"):
            continue
        missed = " **missed**" if number["verdict"] == "MISSED" else ""
        rows.append(f"| {number['label']} | {_shown(number)}{missed} | {number['wanted']} |")
    return rows


def _shown(number: dict[str, Any]) -> str:
    value = number["value"]
    if isinstance(value, float):
        value = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value} {number['unit']}".strip()
