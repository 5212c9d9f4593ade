"""A day's figures of one business, from what the database counted. Nobody's number, name or words are in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]
Figures = dict[str, Any]
"""Ready for JSON; drawn in docs/reports.md."""

MOST_NAMES: Final = 40
"""Names of one kind that are kept apart; the rest is ``other``."""
OTHER: Final = "other"
_CODE: Final = re.compile(r"[a-z][a-z0-9_.:-]{0,39}", re.IGNORECASE)
_MANY_DIGITS: Final = re.compile(r"\d{5,}")
_KINDS: Final = ("outcomes", "endings", "scenarios", "languages", "transfers")


def day_bounds(day: date, timezone: str) -> tuple[datetime, datetime]:
    """Its beginning and that of the next day there, in UTC: 23 to 25 hours where clocks are changed.

    Raises zoneinfo.ZoneInfoNotFoundError.
    """
    zone = ZoneInfo(timezone)
    begin, end = (datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    return begin, end


def label(name: object) -> str:
    """A code as it is; ``other`` for what is none, since it may be somebody's number or words."""
    text = str(name)
    return text if _CODE.fullmatch(text) and not _MANY_DIGITS.search(text) else OTHER


def figures_of(
    *,
    calls: Row,
    names: Iterable[Row],
    hours: Iterable[Row],
    latency: Iterable[Row],
    tools: Iterable[Row],
    cost: Iterable[Row],
    quality: Iterable[Row],
    callbacks: int,
    made_from: Mapping[str, int],
) -> Figures:
    """The figures of a day, from the rows of the queries ``day_calls`` and so on.

    ``made_from``: the row of ``made_from``, by which a day that changed since is known.
    """
    counted: dict[str, dict[str, int]] = {kind: {} for kind in _KINDS}
    for row in names:
        _add(counted[row["kind"]], row["name"], row["count"])
    by_hour = [0] * 24
    for row in hours:
        by_hour[row["hour"]] = row["count"]
    seconds = calls["seconds_quantiles"] or (None, None)
    whole = ("total", "answered", "callers", "turns", "interruptions", "failures", "takeovers", "orders", "bookings")
    return {
        "calls": {
            **{name: int(calls[name]) for name in whole},
            "seconds": round(float(calls["seconds"]), 1),
            "seconds_p50": _rounded(seconds[0], 1),
            "seconds_p95": _rounded(seconds[1], 1),
            "callbacks": callbacks,
        },
        **{kind: _most(counts) for kind, counts in counted.items()},
        "hours": by_hour,
        "latency": {label(row["stage"]): {"count": row["count"], **_quantiles(row)} for row in latency},
        "tools": _tools(tools),
        "cost": _sums(cost),
        "model": _model(calls),
        "quality": {
            "scored": calls["scored"],
            "mean": _rounded(calls["quality"], 4),
            "criteria": {
                label(row["criterion"]): {"count": row["count"], "mean": _rounded(row["mean"], 4)} for row in quality
            },
        },
        "made_from": dict(made_from),
    }


def _add(counts: dict[str, int], name: object, count: int) -> None:
    code = label(name)
    counts[code] = counts.get(code, 0) + count


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent names, the rest together."""
    order = sorted(counts, key=lambda name: (-counts[name], name))
    kept = {name: counts[name] for name in order[:MOST_NAMES]}
    rest = sum(counts[name] for name in order[MOST_NAMES:])
    return {**kept, OTHER: kept.get(OTHER, 0) + rest} if rest else kept


def _tools(rows: Iterable[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        name = label(row["name"])
        if name in found:  # several that are no codes: their times cannot be put together
            found[name]["count"] += row["count"]
            found[name]["failures"] += row["failures"]
        else:
            found[name] = {"count": row["count"], "failures": row["failures"], **_quantiles(row)}
    for tool in found.values():
        tool["failure_share"] = round(tool["failures"] / tool["count"], 4)
    return found


def _model(calls: Row) -> dict[str, int | None]:
    """Requests to chat models and their tokens; None: nobody told any."""
    tokens = {name: None if calls[name] is None else int(calls[name]) for name in ("input_tokens", "output_tokens")}
    counts = ("model_asked", "model_unknown", "model_not_recorded")
    return {name.removeprefix("model_"): int(calls[name]) for name in counts} | tokens


def _sums(rows: Iterable[Row]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        part = label(row["part"])
        found[part] = round(found.get(part, 0.0) + row["amount"], 6)
    return found


def _quantiles(row: Row) -> dict[str, float | None]:
    p50, p95 = row["quantiles"]
    return {"p50": _rounded(p50, 4), "p95": _rounded(p95, 4)}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def days_to_make(
    recorded: Sequence[Row], stored: Iterable[Row], today: date, *, every: bool = False
) -> tuple[list[Row], list[Row]]:
    """Which days' figures are missing or were made of less, and which stay as they are though less is recorded now.

    ``recorded``: rows of ``made_from``; ``stored``: rows of ``stored_figures`` with ``figures`` as a mapping. A day of
    which fewer calls are left than its figures were made of has been thinned by retention: its figures are all there
    is of it. ``today`` is not over. ``every``: make also what did not change.
    """
    known = {(row["day"], row["playbook"]): row["figures"].get("made_from", {}) for row in stored}
    make, keep = [], []
    for row in recorded:
        if row["day"] >= today:
            continue
        before = known.get((row["day"], row["playbook"]))
        if before is not None and row["calls"] < before.get("calls", 0):
            keep.append(row)
        elif every or before != fingerprint(row):
            make.append(row)
    return make, keep


def fingerprint(row: Row) -> dict[str, int]:
    """How much was recorded of a day. What most days have none of is not there."""
    made = {name: int(row[name]) for name in ("calls", "ended", "outcomes", "scored", "turns", "tools")}
    made |= {"priced": int(row["priced"])} if row.get("priced") else {}
    return made | ({name: int(row[name]) for name in ("lost", "lost_seconds")} if row.get("lost") else {})
