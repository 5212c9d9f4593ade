"""The weekly report as files: tables that are read back, pages that are read back and looked at."""

from __future__ import annotations

import csv
import io
import random
import time
from datetime import date
from typing import Any

import pypdfium2
import pytest

from engine.records.week import Week, WeekFigures
from ops.weekly.pages import week_pdf
from ops.weekly.tables import cell, details_table, week_table

WEEK = Week(2026, 48)
NAME = "Шиномонтаж «Їжак» & ґанок, <ёж>"


def day(chance: random.Random) -> dict[str, Any]:
    total = chance.randint(40, 120)
    return {
        "calls": {"total": total, "answered": total - 2, "orders": 9, "bookings": 4, "seconds_p95": 130.0},
        "outcomes": {"resolved": total // 2, "transferred": total // 4, "refused": 2},
        "transfers": {"caller_request": total // 8},
        "scenarios": {"search_tires": total // 2},
        "hours": [chance.randint(1, 9) if 7 < hour < 19 else 0 for hour in range(24)],
        "latency": {"on_the_wire": {"count": total, "p50": 0.6, "p95": 0.9 + chance.random()}},
        "tools": {"search_tires": {"count": total, "failures": 2, "p50": 0.1, "p95": 0.3}},
        "cost": {"llm": 1.25},
        "model": {"asked": 200, "unknown": 3, "not_recorded": 0, "input_tokens": 250_000, "output_tokens": None},
        "quality": {"scored": total, "mean": 0.8, "criteria": {"greeted": {"count": total, "mean": 0.9}}},
    }


def figures(name: str = NAME, days: int = 6) -> WeekFigures:
    chance = random.Random(1)
    return WeekFigures(WEEK, name, {each: day(chance) for each in WEEK.days[:days]})


def pages(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    try:
        return [document[index].get_textpage().get_text_range() for index in range(len(document))]
    finally:
        document.close()


def test_the_report_says_what_the_figures_say() -> None:
    week = figures()
    text = "\n".join(pages(week_pdf([week], WEEK)))
    assert f"Calls of {NAME}" in text
    for expected in (
        "2026-W48, 23 November to 29 November 2026 · 1 day without calls",
        str(week.total("total")),
        "search_tires",
        "caller request",
        "greeted",
        "7.50",
        "1,200 requests; tokens read: 1,500,000, written: unknown",
        "Of 18 requests not all tokens are known",
        "54 · 24",
    ):
        assert expected in text


def test_each_business_has_its_pages_and_a_page_is_not_empty() -> None:
    document = pypdfium2.PdfDocument(week_pdf([figures("one"), figures("two")], WEEK))
    assert len(document) == 4
    picture = document[0].render(scale=1).to_pil().convert("RGB")
    colours = picture.getcolors(1 << 20)
    assert colours is not None
    inked = {colour: count for count, colour in colours}
    assert inked[0x2F, 0x6F, 0x9F] > 5_000  # bars
    assert inked[0xE0, 0xA0, 0x3A] > 500
    assert inked[255, 255, 255] > 0.6 * picture.width * picture.height
    document.close()


def test_no_character_is_missing_from_the_font() -> None:
    letters = "абвгґдеєжзиіїйклмнопрстуфхцчшщьюяыэъё"
    text = "".join(pages(week_pdf([figures(letters + letters.upper(), 1)], WEEK))).replace("\r\n", "").replace(" ", "")
    assert letters in text
    assert letters.upper() in text


def test_charts_are_vectors() -> None:
    document = pypdfium2.PdfDocument(week_pdf([figures()], WEEK))
    kinds = {each.type for page in (document[0], document[1]) for each in page.get_objects()}
    document.close()
    assert pypdfium2.raw.FPDF_PAGEOBJ_IMAGE not in kinds
    assert pypdfium2.raw.FPDF_PAGEOBJ_PATH in kinds


def test_the_same_figures_make_the_same_bytes() -> None:
    once = week_pdf([figures()], WEEK)
    time.sleep(1.1)  # a time in it would show
    assert week_pdf([figures()], WEEK) == once


@pytest.mark.parametrize("days", [0, 1, 7])
def test_a_week_with_little_in_it_is_drawn_too(days: int) -> None:
    bare = WeekFigures(WEEK, "bare", {each: {"calls": {"total": 0}, "hours": [0] * 24} for each in WEEK.days[:days]})
    assert "No call was scored." in "\n".join(pages(week_pdf([bare], WEEK)))


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_table_has_a_row_for_each_day_and_business() -> None:
    week = figures()
    found = rows(week_table([week, figures("two", 1)]))
    assert [row["day"] for row in found[:7]] == [each.isoformat() for each in WEEK.days]
    assert {row["business"] for row in found} == {NAME, "two"}
    assert sum(int(row["total"]) for row in found[:7]) == week.total("total")
    assert found[6]["total"] == "0"
    assert found[6]["on_the_wire_p95_s"] == ""
    assert float(found[0]["on_the_wire_p50_s"]) == 0.6


def test_the_details_have_a_row_for_each_name() -> None:
    found = rows(details_table([figures(days=1)]))
    by_name = {(row["group"], row["name"], row["figure"]): row["value"] for row in found}
    assert by_name["tools", "search_tires", "failures"] == "2"
    assert by_name["cost", "llm", "amount"] == "1.25"
    assert by_name["model", "llm", "input_tokens"] == "250000"
    assert by_name["model", "llm", "output_tokens"] == "", "not known is not 0"
    assert by_name["criteria", "greeted", "mean"] == "0.9"
    assert sum(group == "hours" for group, _, _ in by_name) == 24
    assert found[0]["day"] == date(2026, 11, 23).isoformat()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell("shop") == "shop"
