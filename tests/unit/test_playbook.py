"""Playbooks and what is said about their mistakes."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

import engine.agent.playbook as module
from engine.agent.playbook import OpeningHours, load_playbook
from engine.agent.playbooks import Playbooks
from engine.agent.ports import CallFacts, ToolCall, Transfer
from engine.agent.replies import Sentences
from engine.agent.said import Said
from engine.agent.toolbox import open_tools
from engine.errors import ConfigurationError
from engine.playbooks.tyre_shop.tools import shop_tools
from engine.store.memory import MemoryStore

DELIVERED = Path(module.__file__).parents[1] / "playbooks" / "tyre_shop"


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
        ("topics: topics.yaml", "topics: no.yaml", r"no\.yaml: cannot be read"),
        ("spellings: {tire: tyre}", "spellings: {tire: 1}", r"playbook\.yaml:\d+: spellings\.tire: expected a text"),
        ("goods: [tyre…", "goods: [1", r"playbook\.yaml:\d+: goods\.0: expected a text"),
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
        (
            "transfer_by_reason: {}",
            "transfer_by_reason: {complaint: boss}",
            r":\d+: transfer_by_reason\.complaint: 'boss'",
        ),
        ('dialled: ["2100"]', 'dialled: ["1", "1"]', r"playbook\.yaml:\d+: dialled\.1: 1 stands there twice"),
        ("code: engine.playbooks.tyre_shop", "code: engine.playbooks.shoes", r"playbook\.yaml:\d+: code: no module"),
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("words: wheel_hotel", "wrods: wheel_hotel", r"topics\.yaml:\d+: storage\.wrods: unknown key"),
        (
            "words: wheel_hotel",
            "words: wheel__hotel",
            r"topics\.yaml:\d+: storage\.words: 'wheel__hotel' has an empty part",
        ),
        ("words: wheel_hotel", "words: [wheel_hotel]", r"topics\.yaml:\d+: storage\.words: expected a text"),
        ("winter:\n  asks:", "winter: no\nsummer:\n  asks:", r"topics\.yaml:\d+: winter: expected a mapping"),
    ],
)
def test_mistakes_in_the_topics(folder: Path, old: str, new: str, message: str) -> None:
    changed(folder, old, new, "topics.yaml")
    with pytest.raises(ConfigurationError, match=message):
        load_playbook(folder)


def test_topics_are_part_of_the_version(folder: Path) -> None:
    before = load_playbook(folder).version
    changed(folder, "wheel_hotel", "wheel_house", "topics.yaml")
    assert load_playbook(folder).version != before


def test_a_playbook_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"delivered playbooks: .*tyre_shop"):
        load_playbook("shoe_shop")


def test_a_tool_that_does_not_exist(folder: Path) -> None:
    changed(folder, "  - end_call", "  - end_world")
    with pytest.raises(ConfigurationError, match="end_world"):
        shop_tools(load_playbook(folder), MemoryStore())


def test_a_sentence_that_is_missing(folder: Path) -> None:
    changed(folder, "repair:", "repare:", "sentences.yaml")
    with pytest.raises(ConfigurationError, match=r"sentences\.yaml: repair: missing"):
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
    day = (time(9), time(17))
    hours = OpeningHours("Europe/Kyiv", {0: day, 1: day, 3: day, 5: (time(10), time(14, 30))})
    assert hours.spoken() == (
        "Monday to Tuesday from 09:00 to 17:00, Thursday from 09:00 to 17:00, and Saturday from 10:00 to 14:30"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('resume: "Shall we go on with {about}?"', 'resume: "And {abot}?"', r"sentences\.yaml:\d+: resume: \{abot\}"),
        ('sorry: "Sorry,', 'sorry: "Sorry {,', r"sentences\.yaml:\d+: sorry: a brace that is not closed"),
    ],
)
def test_sentences_are_checked(folder: Path, old: str, new: str, message: str) -> None:
    changed(folder, old, new, "sentences.yaml")
    with pytest.raises(ConfigurationError, match=message):
        load_playbook(folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("run: get_fitting_stations", "run: get_stations", r"steps\.1\.run: the playbook has no tool 'get_stations'"),
        ("- ask: station\n", "- ask: statoin\n", r"steps\.2\.ask: there is no slot 'statoin'"),
        ('    ask: "On which day?"\n', "", r"slots\.date: a form asks for 'date', which has no question"),
        ("kind: date\n", "kind: day\n", r"forms\.yaml:\d+: slots\.date\.kind: unknown kind 'day'"),
        ("at {station.name} on", "at {staton.name} on", r"confirm: \{staton\.name\} is no slot"),
        ("Shall I book it?", "I book it.", r"confirm: what is read back must end with a question"),
        ("next: delivery", "next: delivry", r"forms\.draft\.next: there is no form 'delivry'"),
        ("unknown_form: car", "unknown_form: cart", r"slots\.size\.unknown_form: there is no form 'cart'"),
        ("of: stations", "of: station", r"slots\.station\.of: no result offers 'station'"),
        ("with: {city: city}", "with: {city: town}", r"with\.city: there is no slot 'town'"),
        ("when: how=delivery", "when: who=delivery", r"when: there is no slot 'who'"),
        ("clear: [time]", "clear: [tim]", r"refusals\.slot_taken\.clear: there is no slot 'tim'"),
        ("complaint: '", "complaint: '(", r"complaint: not a regular expression"),
        ("    least: 4\n", "    least: none\n", r"slots\.year\.least: expected a whole number"),
        ("optional: true", "optional: perhaps", r"slots\.year\.optional: expected true or false"),
    ],
)
def test_forms_are_checked(folder: Path, old: str, new: str, message: str) -> None:
    changed(folder, old, new, "forms.yaml")
    with pytest.raises(ConfigurationError, match=r"forms\.yaml:\d+: .*") as raised:
        load_playbook(folder)
    assert re.search(message, str(raised.value))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("with: {city: city}", "with: {town: city}", "takes no 'town'"),
        ("date_from: date, date_to: date}", "date_to: date}", "needs 'date_from'"),
        ('        confirm: "I cancel', '        then: "I cancel', "runs after a yes only"),
    ],
)
def test_forms_and_tools_fit(folder: Path, old: str, new: str, message: str) -> None:
    changed(folder, old, new, "forms.yaml")
    text = (folder / "forms.yaml").read_text(encoding="utf-8")
    if 'then: "I cancel' in text:  # two of the same key are one
        lines = text.split("\n")
        at = next(number for number, line in enumerate(lines) if 'then: "I cancel' in line)
        del lines[at + 2]
        (folder / "forms.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"forms\.yaml:\d+: .*{message}"):
        open_tools(load_playbook(folder), store=MemoryStore())


def test_two_playbooks_of_one_number(folder: Path) -> None:
    changed(folder, "name: tyre_shop", "name: other_shop")
    with pytest.raises(ConfigurationError, match="dialled: 2100 is tyre_shop's already"):
        Playbooks(f"tyre_shop|{folder}")


def test_two_playbooks_of_one_name(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="two playbooks are named tyre_shop"):
        Playbooks(f"tyre_shop|{folder}")


def test_a_number_is_the_same_however_it_is_written(folder: Path) -> None:
    changed(folder, 'dialled: ["2100"]', 'dialled: ["+380 44 555 01 00"]')
    changed(folder, "name: tyre_shop", "name: other_shop")
    assert Playbooks(f"clinic|{folder}").dialled("380445550100").name == "other_shop"


async def test_nobody_is_connected_to_a_desk_that_is_closed() -> None:
    playbook = load_playbook("tyre_shop")
    call = ToolCall("c", "transfer_to_operator", '{"reason": "complaint"}')
    for is_open in (True, False):
        box = open_tools(playbook, store=MemoryStore(), is_open=lambda is_open=is_open: is_open)  # type: ignore[misc]
        said = Said(("This is a disgrace",))
        finished = await box.run(box.check(call, said), CallFacts("call-1", ""), said)
        assert finished.ok is is_open
        assert finished.error == ("" if is_open else "closed")
        assert finished.ending == (Transfer("operator", "complaint") if is_open else None)
