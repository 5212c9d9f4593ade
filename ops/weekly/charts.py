"""Charts as vectors: bars and lines in the report's own font and colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.charts.legends import Legend
from reportlab.graphics.charts.linecharts import HorizontalLineChart
from reportlab.graphics.shapes import Drawing, Line, String
from reportlab.lib.colors import Color, HexColor
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT: Final = "NotoSans"
INK: Final = HexColor(0x22272E)
PALE: Final = HexColor(0x8A939E)
GRID: Final = HexColor(0xDDE1E6)
PALETTE: Final = tuple(HexColor(code) for code in (0x2F6F9F, 0xE0A03A, 0x9AA5B1, 0xB5483F, 0x6B5B95))
"""Told apart also by who sees no red and green, and in grey."""
WIDTH: Final = 500
"""Points: an A4 page between its margins."""


def use_font() -> str:
    """Register the font (Latin, Cyrillic, Greek) once, and its name. Raises ModuleNotFoundError where it is missing."""
    if FONT not in pdfmetrics.getRegisteredFontNames():
        spec = find_spec("manimgx_fonts")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("manimgx_fonts", name="manimgx_fonts")
        pdfmetrics.registerFont(TTFont(FONT, str(Path(spec.origin).with_name("NotoSans[wght].ttf"))))
    return FONT


def stacked_bars(names: Sequence[str], series: Mapping[str, Sequence[float]], *, height: int = 150) -> Drawing:
    """A bar for each of ``names``, of as many parts as there are ``series``."""
    drawing = Drawing(WIDTH, height)
    chart = VerticalBarChart()
    _place(chart, height, legend=True)
    chart.data = [tuple(values) for values in series.values()] or [(0,) * len(names)]
    chart.categoryAxis.style = "stacked"
    chart.categoryAxis.categoryNames = list(names)
    most = max((sum(values) for values in zip(*series.values(), strict=True)), default=0)
    _axes(chart, most)
    for index in range(len(chart.data)):
        chart.bars[index].fillColor = PALETTE[index % len(PALETTE)]
        chart.bars[index].strokeColor = None
    chart.barSpacing, chart.groupSpacing = 0, 12
    drawing.add(chart)
    _legend(drawing, list(series), height)
    return drawing


def lines(
    names: Sequence[str], series: Mapping[str, Sequence[float | None]], *, limit: float, height: int = 140
) -> Drawing:
    """A line for each of ``series``; None leaves a gap. ``limit``: a dashed line at what must not be passed."""
    drawing = Drawing(WIDTH, height)
    chart = HorizontalLineChart()
    _place(chart, height, legend=True)
    chart.data = [tuple(values) for values in series.values()]
    chart.categoryAxis.categoryNames = list(names)
    known = [value for values in series.values() for value in values if value is not None]
    top = _axes(chart, max([*known, limit]))
    for index in range(len(chart.data)):
        chart.lines[index].strokeColor = PALETTE[index % len(PALETTE)]
        chart.lines[index].strokeWidth = 2
        chart.lines[index].symbol = _dot(PALETTE[index % len(PALETTE)])
    drawing.add(chart)
    height_of_limit = chart.y + chart.height * limit / top
    drawing.add(
        Line(
            chart.x, height_of_limit, chart.x + chart.width, height_of_limit,
            strokeColor=PALETTE[3], strokeDashArray=[3, 3], strokeWidth=1,
        )
    )  # fmt: skip
    _legend(drawing, list(series), height)
    return drawing


def bars(names: Sequence[str], values: Sequence[float], *, height: int = 120) -> Drawing:
    """One upright bar for each of ``names``."""
    return _plain(stacked_bars(names, {"": values}, height=height))


def lying_bars(values: Mapping[str, float], *, most: float | None = None, digits: int = 0) -> Drawing:
    """A bar from left to right for each name, its value beside it."""
    height = 20 * max(1, len(values)) + 26
    drawing = Drawing(WIDTH, height)
    chart = HorizontalBarChart()
    chart.x, chart.y, chart.width, chart.height = 150, 18, WIDTH - 190, height - 24
    upwards = list(values.items())[::-1]
    chart.data = [tuple(value for _, value in upwards) or (0,)]
    chart.categoryAxis.categoryNames = [name for name, _ in upwards] or [""]
    _axes(chart, most if most is not None else max(values.values(), default=0))
    chart.bars[0].fillColor, chart.bars[0].strokeColor = PALETTE[0], None
    chart.barLabelFormat = f"%.{digits}f"
    chart.barLabels.fontName, chart.barLabels.fontSize = FONT, 8
    chart.barLabels.boxAnchor, chart.barLabels.dx = "w", 4
    chart.barLabels.fillColor = INK
    chart.groupSpacing = 8
    drawing.add(chart)
    return drawing


def _place(chart: Any, height: int, *, legend: bool) -> None:
    chart.x, chart.y, chart.width = 34, 18, WIDTH - (130 if legend else 40)
    chart.height = height - 28


def _axes(chart: Any, most: float) -> float:
    """Set both axes; the upper end of the values."""
    top = _round_up(most)
    axis = chart.valueAxis
    axis.valueMin, axis.valueMax, axis.valueStep = 0, top, top / 4
    axis.labelTextFormat = (lambda value: f"{value:g}") if top >= 4 else (lambda value: f"{value:.2g}")
    axis.visibleGrid, axis.gridStrokeColor, axis.gridStrokeWidth = 1, GRID, 0.5
    axis.strokeColor = None
    axis.visibleTicks = 0
    chart.categoryAxis.strokeColor = PALE
    chart.categoryAxis.visibleTicks = 0
    for labels in (axis.labels, chart.categoryAxis.labels):
        labels.fontName, labels.fontSize, labels.fillColor = FONT, 8, INK
    return top


def _round_up(most: float) -> float:
    """The next of 4, 8, 10, 20, 40, 80, 100 … so that four steps are round numbers."""
    if most <= 0:
        return 4.0
    power = 1e-3
    while True:
        for step in (1, 2, 4, 8):
            if most <= step * power:
                return step * power
        power *= 10


def _dot(color: Color) -> Any:
    from reportlab.graphics.widgets.markers import makeMarker  # noqa: PLC0415 - beside its only use

    marker: Any = makeMarker("FilledCircle")  # type: ignore[no-untyped-call]
    marker.size, marker.fillColor, marker.strokeColor = 4, color, None
    return marker


def _legend(drawing: Drawing, names: Sequence[str], height: int) -> None:
    legend = Legend()
    legend.x, legend.y, legend.boxAnchor = WIDTH - 84, height - 10, "nw"
    legend.fontName, legend.fontSize, legend.fillColor = FONT, 8, INK
    legend.dx = legend.dy = 7
    legend.deltay, legend.columnMaximum, legend.alignment = 12, 12, "right"
    legend.strokeColor = None
    legend.strokeWidth = 0
    legend.colorNamePairs = [(PALETTE[index % len(PALETTE)], name) for index, name in enumerate(names)]
    drawing.add(legend)


def _plain(drawing: Drawing) -> Drawing:
    """Without its legend, and as wide as the page."""
    chart: Any = drawing.contents[0]
    chart.width = WIDTH - 40
    chart.groupSpacing = 4
    plain = Drawing(WIDTH, drawing.height)
    plain.add(chart)
    return plain


def nothing(text: str) -> Drawing:
    """In place of a chart that has nothing to show."""
    drawing = Drawing(WIDTH, 24)
    drawing.add(String(34, 8, text, fontName=FONT, fontSize=9, fillColor=PALE))
    return drawing
