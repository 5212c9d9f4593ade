"""The week as a PDF: two pages a business, charts as vectors. The same figures give the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import Flowable, KeepTogether, PageBreak, Paragraph, SimpleDocTemplate, Table
from reportlab.platypus.tables import TableStyle

from engine.records.week import Week, WeekFigures
from ops.weekly.charts import GRID, INK, PALE, WIDTH, bars, lines, lying_bars, nothing, stacked_bars, use_font

ANSWER_SECONDS: Final = 2.0
"""What the first sound of an answer must not pass, p95."""
MOST_BARS: Final = 10
_PADDING: Final = 6
"""Points that a page's frame keeps free on each side."""
_OUTCOMES: Final = ("resolved", "transferred", "abandoned", "failed", "refused")


def week_pdf(weeks: Sequence[WeekFigures], week: Week) -> bytes:
    """The report of ``week``. Raises ModuleNotFoundError where the font's package is not installed."""
    styles = _styles(use_font())
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=(A4[0] - WIDTH) / 2 - _PADDING,
        rightMargin=(A4[0] - WIDTH) / 2 - _PADDING,
        topMargin=40,
        bottomMargin=44,
        title=f"Calls of {week}",
        author="Trunkline",
        invariant=1,
    )
    story: list[Flowable] = []
    for index, each in enumerate(weeks):
        story += [PageBreak()] if index else []
        story += _business(each, styles)
    if not weeks:
        story += [Paragraph(f"Calls of {week}", styles["title"]), Paragraph("No calls.", styles["text"])]
    document.build(story, onFirstPage=_footer(week), onLaterPages=_footer(week))
    return file.getvalue()


def _styles(font: str) -> dict[str, ParagraphStyle]:
    text = ParagraphStyle("text", fontName=font, fontSize=9, leading=12, textColor=INK)
    return {
        "text": text,
        "title": ParagraphStyle("title", text, fontSize=18, leading=24),
        "under": ParagraphStyle("under", text, textColor=PALE, spaceAfter=10),
        "head": ParagraphStyle("head", text, fontSize=11, leading=15, spaceBefore=12, spaceAfter=3),
        "number": ParagraphStyle("number", text, fontSize=16, leading=20),
        "right": ParagraphStyle("right", text, alignment=TA_RIGHT),
    }


def _footer(week: Week) -> Any:
    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(use_font(), 7.5)
        canvas.setFillColor(PALE)
        canvas.drawString(document.leftMargin + _PADDING, 26, f"{week} · counts and times only, nobody's data")
        canvas.drawRightString(document.leftMargin + _PADDING + WIDTH, 26, str(canvas.getPageNumber()))
        canvas.restoreState()

    return draw


def _business(week: WeekFigures, styles: Mapping[str, ParagraphStyle]) -> Iterator[Flowable]:
    days = week.week.days
    names = [f"{day:%a} {day.day}" for day in days]
    yield Paragraph(f"Calls of {escape(week.playbook) or 'no playbook'}", styles["title"])
    missing = 7 - len(week.days)
    without = f" · {missing} {'day' if missing == 1 else 'days'} without calls" if missing else ""
    told = f"{week.week}, {_span(days)}{without}"
    yield Paragraph(told, styles["under"])
    yield _headline(week, styles)
    yield _section("Calls a day, by outcome", _outcomes(week, names), styles)
    yield _section(
        "End of the caller's speech to the first sound of the answer, seconds", _answers(week, names), styles
    )
    yield _section("Calls by the hour in which they began", bars([str(h) for h in range(24)], week.hours()), styles)
    yield _section("Connected with a person, by reason", _lying(week.sums("transfers"), "Nobody was."), styles)
    mean, criteria = week.quality()
    chart = lying_bars(_named(criteria), most=1.0, digits=2) if mean is not None else nothing("No call was scored.")
    yield _section("Quality by criterion, 0 to 1", chart, styles)
    yield _section("What callers wanted", _lying(week.sums("scenarios"), "Nothing was noted."), styles)
    yield _section("Tools", _tools(week, styles), styles)
    yield _section("Cost by part", _costs(week, styles), styles)
    if notes := " ".join(_model_notes(week.model_use())):
        yield Paragraph(notes, styles["under"])


def _section(title: str, content: Flowable, styles: Mapping[str, ParagraphStyle]) -> Flowable:
    return KeepTogether([Paragraph(title, styles["head"]), content])


def _span(days: Sequence[date]) -> str:
    return f"{days[0].day} {days[0]:%B} to {days[-1].day} {days[-1]:%B %Y}"


def _headline(week: WeekFigures, styles: Mapping[str, ParagraphStyle]) -> Flowable:
    outcomes, total = week.sums("outcomes"), week.total("total")
    worst = [value for value in week.latency("on_the_wire", "p95") if value is not None]
    mean, _ = week.quality()
    told = (
        ("calls", str(total)),
        ("resolved", _share(outcomes.get("resolved", 0), total)),
        ("to a person", _share(outcomes.get("transferred", 0), total)),
        ("answer p95, max", f"{max(worst):.2f} s" if worst else "–"),
        ("quality", f"{mean:.2f}" if mean is not None else "–"),
        ("orders · bookings", f"{week.total('orders')} · {week.total('bookings')}"),
    )
    rows = [
        [Paragraph(value, styles["number"]) for _, value in told],
        [Paragraph(name, styles["under"]) for name, _ in told],
    ]
    return Table(
        rows, colWidths=[WIDTH / len(told)] * len(told), style=TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0)])
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _outcomes(week: WeekFigures, names: Sequence[str]) -> Flowable:
    days = [week.day(day, "outcomes") for day in week.week.days]
    series = {outcome: [day.get(outcome, 0) for day in days] for outcome in _OUTCOMES}
    return stacked_bars(names, {outcome: counts for outcome, counts in series.items() if any(counts)})


def _answers(week: WeekFigures, names: Sequence[str]) -> Flowable:
    series = {quantile: week.latency("on_the_wire", quantile) for quantile in ("p50", "p95")}
    if all(value is None for values in series.values() for value in values):
        return nothing("No answer was measured.")
    return lines(names, series, limit=ANSWER_SECONDS)


def _lying(values: Mapping[str, float], none: str) -> Flowable:
    return lying_bars(_named(dict(list(values.items())[:MOST_BARS]))) if values else nothing(none)


def _named(values: Mapping[str, float]) -> dict[str, float]:
    return {name.replace("_", " "): value for name, value in values.items()}


def _tools(week: WeekFigures, styles: Mapping[str, ParagraphStyle]) -> Flowable:
    rows = [
        (name, str(count), f"{100 * share:.1f} %", f"{worst:.2f} s" if worst is not None else "–")
        for name, count, share, worst in week.tools()
    ]
    return _table(("tool", "calls", "failed", "p95, worst day"), rows, styles) if rows else nothing("None was used.")


def _costs(week: WeekFigures, styles: Mapping[str, ParagraphStyle]) -> Flowable:
    costs = week.sums("cost")
    rows = [(name, f"{amount:.2f}") for name, amount in costs.items()]
    if not rows:
        return nothing("None was noted.")
    return _table(("part", "amount"), [*rows, ("together", f"{sum(costs.values()):.2f}")], styles)


def _model_notes(use: Mapping[str, int]) -> Iterator[str]:
    """What models used, and what of it nobody told: that is in no amount."""
    if use.get("asked"):
        read, wrote = (f"{use[name]:,}" if name in use else "unknown" for name in ("input_tokens", "output_tokens"))
        yield f"Language models: {use['asked']:,} requests; tokens read: {read}, written: {wrote}."
    if use.get("unknown"):
        yield f"Of {use['unknown']:,} requests not all tokens are known: they cost more than stands here."
    if use.get("not_recorded"):
        yield f"Of {use['not_recorded']:,} calls no tokens were recorded."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[str, ParagraphStyle]) -> Flowable:
    """The first column to the left, numbers to the right."""
    cells = [
        [Paragraph(escape(text), styles["right" if column else "text"]) for column, text in enumerate(row)]
        for row in (head, *rows)
    ]
    style = TableStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.5, GRID),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
        ]
    )
    return Table(cells, colWidths=[WIDTH - 90 * (len(head) - 1), *[90] * (len(head) - 1)], style=style, repeatRows=1)
