"""Playbooks and what is said about their mistakes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import engine.agent.playbook as module
from engine.agent.answers import Sentences
from engine.agent.playbook import OpeningHours, load_playbook
from engine.agent.shop_tools import shop_tools
from engine.errors import ConfigurationError
from engine.store.memory import MemoryStore

DELIVERED = Path(module.__file__).parent / "playbooks" / "tyre_shop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "shop"
    shutil.copytree(DELIVERED, copy)
    return copy


def changed(folder: Path, old: str, new: str, file: str = "playbook.yaml") -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_tyre_shop() -> None:
    playbook = load_playbook("tyre_shop")
    assert playbook.name == "tyre_shop"
    assert playbook.phrases.greeting == "Hello, this is the tyre shop. How can I help?"
    assert "Monday 08:00-19:00" in playbook.prompt
    assert set(playbook.brands) < set(playbook.hints)
    assert len(playbook.knowledge) >= 20
    assert {"search_tires", "get_order_status", "transfer_to_operator", "end_call"} <= set(playbook.tools)
    assert len(shop_tools(playbook, MemoryStore()).specs) == len(playbook.tools)
    Sentences(playbook)


def test_a_path_does_as_well_as_a_name(folder: Path) -> None:
    assert load_playbook(folder) == load_playbook(str(folder)) == load_playbook("tyre_shop")


def test_another_content_is_another_version(folder: Path) -> None:
    before = load_playbook(folder).version
    changed(folder, "Kyiv", "Warsaw")
    assert load_playbook(folder).version != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tyre_shop", "name: [", r"playbook\.yaml:\d+: not valid YAML"),
        ("max_quantity: 99", "max_quantity: 1000", r"playbook\.yaml:\d+: max_quantity: expected a whole number"),
        ("max_quantity: 99", "max_quantty: 99", r"playbook\.yaml:\d+: max_quantty: unknown key"),
        ("  still_there:", "  stil_there:", r"playbook\.yaml:\d+: phrases\.stil_there: unknown phrase"),
        ("  too_long:", "  #", r"playbook\.yaml:\d+: phrases\.too_long: missing"),
        ('monday: ["08:00", "19:00"]', 'monday: ["8", "19:00"]', r"opening_hours\.monday: expected two times"),
        ('monday: ["08:00", "19:00"]', 'monday: ["20:00", "19:00"]', r"opening_hours\.monday: closes before"),
        ('monday: ["08:00", "19:00"]', 'someday: ["08:00", "19:00"]', r"opening_hours\.someday: expected a weekday"),
        ("Europe/Kyiv", "Europe/Nowhere", r"opening_hours\.timezone: no such time zone"),
        ("prompt: prompt.md", "prompt: gone.md", r"prompt: .*gone\.md cannot be read"),
        ("transfer_targets: [operator]", "", r"transfer_targets: missing"),
        ("  - end_call", "  - search_tires", r"tools\.\d+: search_tires stands there twice"),
        ("hints: [tyre,", "hints: [3,", r"hints\.0: expected a text"),
    ],
)
def test_mistakes_are_named(folder: Path, old: str, new: str, message: str) -> None:
    changed(folder, old, new)
    with pytest.raises(ConfigurationError, match=message):
        load_playbook(folder)


def test_the_line_is_the_right_one(folder: Path) -> None:
    changed(folder, "max_quantity: 99", "max_quantity: none")
    lines = (folder / "playbook.yaml").read_text(encoding="utf-8").splitlines()
    with pytest.raises(ConfigurationError, match=rf":{lines.index('max_quantity: none') + 1}: max_quantity"):
        load_playbook(folder)


def test_mistakes_in_the_other_files(folder: Path) -> None:
    changed(folder, "- id: hours\n  text:", "- id: hours\n  words:", "knowledge.yaml")
    with pytest.raises(ConfigurationError, match=r"knowledge\.yaml:3: 0\.words: unknown key"):
        load_playbook(folder)


def test_a_playbook_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="delivered playbooks: tyre_shop"):
        load_playbook("shoe_shop")


def test_a_tool_that_does_not_exist(folder: Path) -> None:
    changed(folder, "  - end_call", "  - end_world")
    with pytest.raises(ConfigurationError, match="end_world"):
        shop_tools(load_playbook(folder), MemoryStore())


def test_a_sentence_that_is_missing(folder: Path) -> None:
    changed(folder, "repair:", "repare:", "sentences.yaml")
    with pytest.raises(ConfigurationError, match="missing repair"):
        Sentences(load_playbook(folder))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        (datetime(2026, 11, 23, 5, 59, tzinfo=UTC), False),  # Monday, 07:59 in Kyiv
        (datetime(2026, 11, 23, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 20, 5, 0, tzinfo=UTC), True),  # summer time
        (datetime(2026, 11, 22, 10, 0, tzinfo=UTC), False),  # Sunday
    ],
)
def test_opening_hours(moment: datetime, is_open: bool) -> None:
    assert load_playbook("tyre_shop").hours.open_at(moment.timestamp()) is is_open


def test_no_hours_are_all_hours() -> None:
    assert OpeningHours().open_at(0.0)
    assert OpeningHours().describe() == "always open"
