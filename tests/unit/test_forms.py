"""Forms piece by piece: reading values, choosing among options, which step is next."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from engine.agent.asked import Questions
from engine.agent.forms import Ask, Condition, Form, FormBook, Run, SlotSpec, arguments_of, filled_in, listed
from engine.agent.kinds import READERS, Heard, chosen, options_said
from engine.agent.playbook import load_playbook
from engine.agent.situation import CALL_BACK, CONFIRM, CONNECT, ELSE, RESUME, Situation, ToolResult
from engine.agent.steps import next_of, values

MONDAY = date(2026, 11, 23)


def read(spec: SlotSpec, text: str, *, asked: bool = True, before: Any = None) -> Any:
    return READERS[spec.kind](spec, Heard(text, asked=asked, today=MONDAY, before=before))


@pytest.mark.parametrize(
    ("spec", "text", "asked", "value"),
    [
        (SlotSpec("n", "digits"), "it's four two seven one", True, "4271"),
        (SlotSpec("n", "digits"), "four two seven one", False, None),
        (SlotSpec("n", "digits", words=re.compile("card")), "my card is 4271", False, "4271"),
        (SlotSpec("n", "digits", least=2, most=2), "4271", True, None),
        (SlotSpec("q", "quantity"), "a set please", True, 4),
        (SlotSpec("q", "quantity"), "none of that", True, None),
        (SlotSpec("q", "quantity", goods=("ticket…",)), "one ticket", True, 1),
        (SlotSpec("q", "quantity", goods=("box…",)), "two boxes of 500 milligrams", True, 2),
        (SlotSpec("q", "quantity", goods=("box…",)), "one box with 20 mg", True, 1),
        (SlotSpec("q", "quantity"), "one ticket", True, None),
        (SlotSpec("q", "quantity", goods=("ticket…",)), "12345 tickets", True, 12345),
        (SlotSpec("d", "date", goods=("ticket…",)), "on the second ticket", True, None),
        (SlotSpec("t", "time", goods=("ticket…",)), "about four tickets", True, None),
        (SlotSpec("p", "phone"), "zero five zero, one one one, two two, three three", True, "0501112233"),
        (SlotSpec("d", "date"), "next Saturday", True, "2026-12-05"),
        (SlotSpec("d", "date"), "not Friday, Saturday", True, "2026-11-28"),
        (SlotSpec("d", "date"), "from Friday to Saturday", True, "2026-11-28"),
        (SlotSpec("t", "time"), "half past three", True, "15:30"),
        (SlotSpec("a", "name"), "It's Olga Petrenko, thanks", True, "Olga Petrenko"),
        (SlotSpec("a", "name"), "my name is jane", False, "Jane"),
        (SlotSpec("a", "name"), "on Saturday please", False, None),
        (SlotSpec("c", "names", names=("Kyiv", "Lviv")), "I am in Lviv", True, "Lviv"),
        (SlotSpec("c", "names", names=("Kyiv", "Lviv")), "in Bila Tserkva", True, None),
        (SlotSpec("c", "names", names=("Kyiv", "Lviv"), open=True), "in Bila Tserkva", True, "Bila Tserkva"),
        (SlotSpec("s", "text"), "It's 12 Main Street.", True, "12 Main Street"),
        (SlotSpec("s", "text"), "12 Main Street", False, None),
    ],
)
def test_values(spec: SlotSpec, text: str, *, asked: bool, value: Any) -> None:
    assert read(spec, text, asked=asked) == value


PAYMENT = SlotSpec(
    "payment",
    "choice",
    options={"card": re.compile(r"\bcard\b", re.IGNORECASE), "cash": re.compile(r"\bcash\b", re.IGNORECASE)},
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("by card", "card"),
        ("not by card, cash", "cash"),
        ("cash, no, card", "card"),
        ("hm", None),
    ],
)
def test_one_of_a_few(text: str, value: str | None) -> None:
    assert read(PAYMENT, text) == value


def test_a_number_with_one_digit_put_right() -> None:
    assert read(SlotSpec("n", "digits"), "no, five not nine", before="5901") == "5501"


TIMES = SlotSpec(
    "time",
    "offered",
    of="times",
    key="date+time",
    label="{date} at {time}",
    label_same="{time}",
    match_date="date",
    match_time="time",
)
FREE = tuple({"date": f"2026-11-{day}", "time": time} for day in (27, 28) for time in ("10:00", "11:30"))


@pytest.mark.parametrize(
    ("text", "asked", "found"),
    [
        ("Friday at ten", False, 0),
        ("on Saturday at half past eleven", False, 3),
        ("the first one", True, 0),
        ("the second one", True, 1),
        ("the first one", False, None),
        ("whichever", True, 0),
        ("at ten", True, None),  # on both days
        ("at nine on Friday", True, None),
        ("yes", True, None),
    ],
)
def test_one_of_the_offered(text: str, found: int | None, *, asked: bool) -> None:
    option = chosen(TIMES, FREE, Heard(text, asked=asked, today=MONDAY))
    assert option == (None if found is None else FREE[found])


def test_a_bare_number_is_a_time_where_one_was_asked_for() -> None:
    assert chosen(TIMES, FREE[:2], Heard("eleven thirty then", asked=True, today=MONDAY)) == FREE[1]


STATIONS = (
    {"id": "S-1", "name": "Harbour Street workshop", "address": "12 Harbour Street"},
    {"id": "S-2", "name": "Left Bank workshop", "address": "40 River Avenue"},
)
STATION = SlotSpec("station", "offered", of="stations", label="{name}", match=("name", "address"))


@pytest.mark.parametrize(
    ("text", "found"),
    [("Left Bank please", 1), ("the one in River Avenue", 1), ("the workshop", None), ("harbor street", 0)],
)
def test_an_option_by_a_word_of_its_name(text: str, found: int | None) -> None:
    option = chosen(STATION, STATIONS, Heard(text, asked=True, today=MONDAY))
    assert option == (None if found is None else STATIONS[found])


def test_options_are_said() -> None:
    assert options_said(TIMES, FREE) == "2026-11-27 at 10:00, 11:30 or 2026-11-28 at 10:00"
    assert listed([]) == ""
    assert listed(["a", "b"], last="and") == "a and b"


def test_words_in_braces() -> None:
    assert filled_in("at {station.name} on {date}.", {"station": {"name": "Left Bank"}}) == "at Left Bank on."


BOOK = FormBook(
    slots={
        "city": SlotSpec("city", "names", ask="Where?", names=("Kyiv",)),
        "station": STATION,
        "how": PAYMENT,
        "address": SlotSpec("address", "text", ask="Which address?"),
    },
    forms={
        "visit": Form(
            "visit",
            "the visit",
            (
                Ask("city"),
                Run("find", {"city": "city"}),
                Ask("station"),
                Ask("address", Condition("how", "cash", negated=True)),
                Run("book", {"station": "station.id", "how": "maybe how"}, confirm="Shall I?"),
            ),
        )
    },
)
FOUND = ToolResult("find", {"city": "Kyiv"}, {"ok": True})


def wanted(situation: Situation) -> tuple[str, str]:
    given = values(BOOK, situation, MONDAY)
    step = next_of(BOOK, BOOK.forms["visit"], situation, given)
    return ("", "") if step is None else (step.slot, step.step.tool if step.step is not None else "")


def test_which_step_is_next() -> None:
    start = Situation(active="visit")
    assert wanted(start) == ("city", "")
    assert wanted(Situation(active="visit", slots={"city": "Kyiv"})) == ("", "find")
    found = Situation(active="visit", slots={"city": "Kyiv"}, offers={"stations": STATIONS}, done={"find": FOUND})
    assert wanted(found) == ("station", "")
    told = Situation(
        active="visit",
        slots={"city": "Kyiv", "how": "cash"},
        offers={"stations": STATIONS},
        done={"find": FOUND},
        turns=("In Kyiv, at the Left Bank",),
    )
    assert wanted(told) == ("", "book")


def test_another_city_is_looked_up_anew_and_its_station_forgotten() -> None:
    situation = Situation(
        active="visit",
        slots={"city": "Lviv", "station": STATIONS[1], "how": "cash"},
        offers={"stations": STATIONS[:1]},
        done={"find": FOUND},
    )
    assert wanted(situation) == ("", "find")
    assert values(BOOK, situation, MONDAY)["station"] == STATIONS[0]  # the only one there is


def test_arguments() -> None:
    step = Run("book", {"station": "station.id", "how": "maybe how", "kind": "=fitting"})
    assert arguments_of(step, {"station": STATIONS[0]}) == ({"station": "S-1", "kind": "fitting"}, "")
    assert arguments_of(step, {}) == ({}, "station")


@pytest.mark.parametrize(
    ("said", "active", "asked"),
    [
        ("Of course. On which day?", "fitting", "date"),
        ("We fit at A or B. Which one suits you?", "fitting", "station"),
        ("That is a fitting at A on 2026-11-28 at 10:00. Shall I book it?", "fitting", CONFIRM),
        ("So Saturday at ten at Left Bank, is that right?", "fitting", CONFIRM),
        ("Shall we go on with the fitting?", "", RESUME),
        ("There is no colleague here. We are open Monday. Shall we call you back then?", "", CALL_BACK),
        ("Shall I connect you to a colleague?", "", CONNECT),
        ("Done. Is there anything else?", "", ELSE),
        ("May I have the order number?", "", "order_number"),
        ("What phone number can we reach you at?", "", "phone"),
        ("The total is 380 euros.", "", ""),
        ("Nice weather, is it not?", "", "other"),
    ],
)
def test_what_was_asked(said: str, active: str, asked: str) -> None:
    assert Questions(load_playbook("tyre_shop")).asked(said, active) == asked
