"""What of a tool's answer belongs into the records: the ids of what it made or found, nothing that is somebody's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.privacy import SLOTS

MOST_IDS: Final = 20
LONGEST_ID: Final = 64
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


def _fields(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in answer.items():
        if isinstance(value, Mapping):
            for inner, each in value.items():
                if isinstance(each, str | int):
                    yield (f"{name}_{inner}" if inner in _SHORT else inner), each
        elif isinstance(value, str | int):
            yield name, value
