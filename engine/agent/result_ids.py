"""What of a tool's answer belongs into the records: the ids of what it made or found, and the numbers that tell whether
what was said of it is right; nothing that is somebody's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.privacy import SLOTS

MOST_IDS: Final = 20
LONGEST_ID: Final = 64
MOST_NUMBERS: Final = 150
LONGEST_NUMBER: Final = 6
"""Digits of a row, however it is divided: prices, sizes and times have no more, and telephones and cards have."""
NUMBERS: Final = "numbers"
_ROW: Final = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})(?!\d)|\d(?:[ ().+-]*\d)*")
_DIGITS: Final = re.compile(r"\d+")
_ENDINGS: Final = ("_id", "_number")
_SHORT: Final = frozenset({"id", "number"})


def result_ids(content: str) -> dict[str, str]:
    """Ids in a tool's answer (JSON of an object): its own fields, and those of the objects in it.

    ``{"order": {"number": "4271"}, "booking": {"booking_id": 7}}`` → ``{"order_number": "4271", "booking_id": "7"}``.
    Lists are what was offered, so nothing of them counts; nor does anything where the answer says it found nothing.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    if not isinstance(answer, Mapping) or answer.get("found") is False:
        return {}
    ids: dict[str, str] = {}
    for name, value in _fields(answer):
        if len(ids) < MOST_IDS and name.endswith(_ENDINGS) and name not in SLOTS and value not in ("", None):
            ids.setdefault(name, str(value)[:LONGEST_ID])
    return ids


def result_facts(content: str) -> dict[str, str]:
    """``result_ids``, and under ``numbers`` the short numbers of the answer, divided by spaces: prices, sizes, times.

    Nothing of a field that holds somebody's data is among them. Empty where the answer is no JSON of an object.
    """
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    if not isinstance(answer, Mapping):
        return {}
    numbers = list(dict.fromkeys(_numbers(answer)))
    return {**result_ids(content), NUMBERS: " ".join(numbers[:MOST_NUMBERS])}


def _numbers(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in SLOTS:
                yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        for row in _ROW.finditer(str(value)):
            groups = _DIGITS.findall(row[0])
            if row["date"] or sum(map(len, groups)) <= LONGEST_NUMBER:
                yield from groups


def _fields(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in answer.items():
        if isinstance(value, Mapping):
            for inner, each in value.items():
                if isinstance(each, str | int):
                    yield (f"{name}_{inner}" if inner in _SHORT else inner), each
        elif isinstance(value, str | int):
            yield name, value
