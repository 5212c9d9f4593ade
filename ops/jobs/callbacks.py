"""The job that writes the day's call-back list for the operators, and closes what nobody called back for too long."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from engine.records.report_sql import report_queries
from ops.jobs.connection import alone, connected, refuse_unknown_arguments
from ops.jobs.job import Job, JobContext, JobFailed, Report, Verdict
from ops.jobs.private_files import write_private
from ops.jobs.statistics import timezones

COLUMNS: Final = (
    "phone", "name", "asked", "not_before", "waiting_h", "late", "reason", "state", "taken_by", "business", "call_id",
)  # fmt: skip
FOLDER: Final = "callbacks"
_LIST: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.csv")
_NUMBER: Final = re.compile(r"\+?\d+")


async def run(context: JobContext) -> Report:
    """Raises JobFailed where the database or the disk fails."""
    refuse_unknown_arguments(JOB, context)
    if not context.database:
        return Report(Verdict.SKIPPED, "there is no records' database (TRUNKLINE_DATABASE)")
    settings = context.settings
    now = datetime.fromtimestamp(context.wall(), UTC)
    zones, default = timezones(settings)
    kept = timedelta(days=settings.reports.callbacks_keep_days)
    queries = report_queries()
    async with alone(context.database, JOB.name) as free:
        if not free:
            return Report(Verdict.SKIPPED, "another run is under way")
        async with connected(context.database) as connection:
            closed = 0
            if not context.dry_run:
                closed = len(await connection.fetch(queries["close_stale_callbacks"], now - kept, now))
            rows = await connection.fetch(queries["open_callbacks"], now)
    late = timedelta(hours=settings.reports.callbacks_late_h)
    lines = [line_of(row, now, late, zones.get(row["playbook"] or "", default)) for row in rows]
    folder = settings.paths.state_dir / FOLDER
    today = now.astimezone(ZoneInfo(default)).date()
    if not context.dry_run:
        try:
            write_private(folder / f"{today}.csv", table(lines))
            _remove_old(folder, today - kept)
        except OSError as error:
            raise JobFailed(f"the list could not be written to {folder} ({error.strerror})") from error
    marked = sum(line["late"] == "yes" for line in lines)
    summary = f"{len(lines)} call-backs are open, {marked} of them late; {closed} closed as unreachable"
    figures = {"open": float(len(lines)), "late": float(marked), "closed": float(closed)}
    return Report(Verdict.OK, summary, {"file": f"{FOLDER}/{today}.csv"}, figures)


def line_of(row: Mapping[str, Any], now: datetime, late: timedelta, zone: str) -> dict[str, str]:
    """A row of ``open_callbacks`` as a line of the list; times are those of the business."""
    since = max(row["asked_at"], row["not_before"] or row["asked_at"])
    waiting = max(timedelta(), now - since)

    def there(moment: datetime | None) -> str:
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if moment is not None else ""

    texts = {
        "phone": row["phone"],
        "name": row["name"] or "",
        "asked": there(row["asked_at"]),
        "not_before": there(row["not_before"]),
        "waiting_h": f"{waiting / timedelta(hours=1):.1f}",
        "late": "yes" if waiting > late else "no",
        "reason": row["reason"],
        "state": row["state"],
        "taken_by": row["taken_by"] or "",
        "business": row["playbook"] or "",
        "call_id": str(row["call_id"]),
    }
    return {name: _cell(text) for name, text in texts.items()}


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula. A number to dial stays as it is."""
    if text[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def table(lines: Sequence[Mapping[str, str]]) -> bytes:
    """The list as CSV, UTF-8 with a mark so that spreadsheets read it right."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue().encode("utf-8-sig")


def lines_in(content: bytes) -> list[dict[str, str]]:
    """The lines of a list that ``table`` made."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def lists_in(folder: Path) -> dict[date, Path]:
    """The lists that are kept, by their day."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        match = _LIST.fullmatch(path.name)
        if match is not None:
            found[date.fromisoformat(match[1])] = path
    return found


def _remove_old(folder: Path, before: date) -> None:
    for day, path in lists_in(folder).items():
        if day < before:
            path.unlink(missing_ok=True)


JOB: Final = Job(
    name="callbacks",
    help="Write the list of who is to be called back, and close what nobody called back for too long.",
    run=run,
    schedule="0 7 * * *",
)
