"""A benchmark's result: what was declared, what the ideal would be, what was measured, what it had to reach."""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One number. ``at_most`` and ``at_least`` are what it must reach, where anything."""

    label: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> Literal["", "reached", "MISSED"]:
        """Whether the number is as it must be; a number that could not be measured never is."""
        if self.at_most is None and self.at_least is None:
            return ""
        high = self.at_most is None or self.value <= self.at_most
        low = self.at_least is None or self.value >= self.at_least
        return "reached" if high and low and not math.isnan(self.value) else "MISSED"

    @property
    def shown(self) -> str:
        """The value with its unit."""
        return f"{_number(self.value)} {self.unit}".rstrip() if math.isfinite(self.value) else _number(self.value)

    @property
    def wanted(self) -> str:
        """What must be reached, in words."""
        if self.at_most is not None:
            return f"≤ {_number(self.at_most)} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"≥ {_number(self.at_least)} {self.unit}".rstrip()
        return ""


@dataclass(slots=True)
class Report:
    """A benchmark's result."""

    name: str
    command: str
    """What was typed to get it."""
    declared: dict[str, str] = field(default_factory=dict)
    """Latencies of the providers and settings that matter, as they were declared."""
    ideal: str = ""
    """The ideal path, in words and numbers."""
    rows: list[Row] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Further tables, each a list of rows of the same keys."""
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """Raw numbers, for the JSON alone."""

    def add(
        self, label: str, value: float, unit: str = "", *, at_most: float | None = None, at_least: float | None = None
    ) -> None:
        """Another number."""
        self.rows.append(Row(label, value, unit, at_most, at_least))

    def add_times(self, label: str, seconds: dict[str, float], **at_most: float) -> None:
        """Times in seconds by name (p50, p95 …), shown in ms; ``at_most`` in ms by the same names."""
        for name, value in seconds.items():
            self.add(f"{label} {name}", value * 1000, "ms", at_most=at_most.get(name))

    @property
    def reached(self) -> bool:
        """Whether every number is as it must be."""
        return all(row.verdict != "MISSED" for row in self.rows)

    def as_json(self) -> str:
        """Everything, for a machine."""
        body = {
            "benchmark": self.name,
            "command": self.command,
            "machine": machine(),
            "declared": self.declared,
            "ideal": self.ideal,
            "reached": self.reached,
            "numbers": [
                {
                    "label": row.label,
                    "value": _finite(row.value),
                    "unit": row.unit,
                    "wanted": row.wanted,
                    "verdict": row.verdict,
                }
                for row in self.rows
            ],
            "tables": self.tables,
            "notes": self.notes,
            "details": self.details,
        }
        return json.dumps(_clean(body), indent=2, ensure_ascii=False)

    def as_text(self) -> str:
        """Everything, for people."""
        facts = machine()
        lines = [
            f"## {self.command}",
            f"on {facts['cores']} cores, {facts['processor']}, Python {facts['python']}, Ray {facts['ray']}",
        ]
        if self.declared:
            lines.append("declared: " + ", ".join(f"{name} {value}" for name, value in self.declared.items()))
        if self.ideal:
            lines.append(f"ideal path: {self.ideal}")
        lines.append("")
        lines += text_table(
            ["", "measured", "must be", ""],
            [[row.label, row.shown, row.wanted, row.verdict] for row in self.rows],
        )
        for title, rows in self.tables.items():
            if rows:
                lines += ["", title, ""]
                lines += text_table(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows])
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


def text_table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table as Markdown has it, in columns that line up on a screen."""
    widths = [max(3, *(len(row[place]) for row in [head, *rows])) for place in range(len(head))]
    rule = ["-" * width for width in widths]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in [head, rule, *rows]
    ]


def machine() -> dict[str, Any]:
    """What it was measured on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": names[0] if names else platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "ray": metadata.version("ray"),
        "trunkline": _version(),
    }


def _version() -> str:
    try:
        return metadata.version("trunkline")
    except metadata.PackageNotFoundError:
        return "not installed"


def _number(value: float) -> str:
    if math.isnan(value):
        return "not measured"
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _cell(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _clean(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value
