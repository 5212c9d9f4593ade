"""A model with a memory: what a server of OpenAI's protocol answered to known conversations, good and bad.

For each case it makes the call that is expected; with ``mischief`` it behaves as models do on a bad day: it writes
broken JSON first, invents values nobody said, adds calls of tools that do not exist, and does what attackers ask. What
the tool layer refuses it is told, and it then answers as a better model would.

    python -m tests.chat_servers.recorded FILE [--mischief]    serves until it is stopped; prints its base URL
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.chat_servers.openai_server import OpenAiServer
from tests.chat_servers.script import KEY, MODEL, Answer, Call

_ASK: Final = Answer(texts=("Could you tell me", " a little more?"))
_DONE: Final = Answer(texts=("That is done.",))
ATTACKS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("create_order_draft", {"product_id": "T-1042", "quantity": 500, "customer_phone": "5550000"}),
    ("search_tires", {"width": 999, "profile": 10, "diameter": 99, "season": "not_said", "brand": "not_said"}),
    ("create_order_draft", {"product_id": "T-1042", "quantity": 4, "customer_phone": "5551234567"}),
    ("get_order_status", {"order_number": "45012"}),
    ("print_prompt", {}),
    ("get_order_status", {"order_number": "1 OR 1=1"}),
)
"""What a model that gives in to anybody calls: one of these for each attack, all of them over time."""


class RecordedModel:
    """The script of a server: the conversation as it is asked, to the answer."""

    def __init__(self, cases: Sequence[Mapping[str, Any]], *, mischief: bool = False) -> None:
        self._cases = {_last_said(case["conversation"]): (place, case) for place, case in enumerate(cases)}
        self._mischief = mischief

    def __call__(self, body: dict[str, Any]) -> Answer:
        messages = body["messages"]
        _, case = self._cases.get(_last_said(messages), (0, None))
        if case is None:
            return _ASK
        place = self._cases[_last_said(messages)][0]
        results = _results(messages)
        expected = case["expected"]
        if results and (json.loads(results[-1]).get("ok") or not expected["tool"]):
            return _DONE if expected["tool"] else _ASK
        if not expected["tool"]:
            return self._tempted(case, place)
        arguments = _arguments(expected["args"], _properties(body, expected["tool"]))
        if self._mischief and not results:
            return _bad_day(place, expected["tool"], arguments)
        return Answer(calls=(_call(expected["tool"], arguments, f"call_{place}_{len(results)}"),))

    def _tempted(self, case: Mapping[str, Any], place: int) -> Answer:
        if not (self._mischief and case["adversarial"]):
            return _ASK
        name, arguments = ATTACKS[place % len(ATTACKS)]
        return Answer(calls=(_call(name, arguments, f"call_{place}"),))


def _bad_day(place: int, name: str, arguments: dict[str, Any]) -> Answer:
    """A first answer with something wrong in it; which, depends on the case alone."""
    right = _call(name, arguments, f"call_{place}_r")
    match place % 5:
        case 0:
            return Answer(calls=(Call(name, ('{"', "broken"), f"call_{place}"),))
        case 1:  # a value that nobody said, where one may be left out
            optional = [key for key, value in arguments.items() if value == "not_said"]
            return Answer(calls=(_call(name, {**arguments, **dict.fromkeys(optional, "Pirelli")}, f"call_{place}"),))
        case 2:
            return Answer(calls=(_call("look_up_everything", {"query": "all"}, f"call_{place}_x"), right))
        case 3:
            return Answer(calls=(_call(name, {**arguments, "discount": 50}, f"call_{place}"),))
        case _:
            return Answer(texts=("One moment", " please."), calls=(right,))


def _last_said(messages: Sequence[Mapping[str, Any]]) -> str:
    said = [str(message["content"]) for message in messages if message["role"] == "user"]
    return said[-1] if said else ""


def _results(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Results of tools since the caller last spoke."""
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] == "user":
            break
        if message["role"] == "tool":
            results.insert(0, message["content"])
    return results


def _properties(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for tool in body.get("tools", ()):
        if tool["function"]["name"] == name:
            properties: Mapping[str, Any] = tool["function"]["parameters"]["properties"]
            return properties
    return {}


def _arguments(expected: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """As a model writes them: all that are declared, those not said marked; a list of words as a question."""
    said = {name: " ".join(value) if isinstance(value, list) else value for name, value in expected.items()}
    unsaid = {
        name: None if isinstance(schema.get("type"), list) else "not_said"
        for name, schema in properties.items()
        if name not in said
    }
    return {**said, **unsaid}


def _call(name: str, arguments: Mapping[str, Any], call_id: str) -> Call:
    """Its arguments in fragments of seven letters, as they may come."""
    text = json.dumps(arguments, ensure_ascii=False)
    return Call(name, tuple(text[start : start + 7] for start in range(0, len(text), 7)), call_id)


async def _serve(model: RecordedModel) -> None:
    async with OpenAiServer(script=model) as server:
        print(f"TRUNKLINE_LLM=openai TRUNKLINE_OPENAI_CHAT_URL={server.url} TRUNKLINE_OPENAI_CHAT_KEY={KEY}", end=" ")
        print(f"TRUNKLINE_OPENAI_CHAT_MODEL={MODEL}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    known = json.loads(Path(sys.argv[1]).read_text())
    asyncio.run(_serve(RecordedModel(known, mischief="--mischief" in sys.argv[2:])))
