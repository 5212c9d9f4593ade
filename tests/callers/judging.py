"""Whether a conversation came out as it should, and what the suite as a whole came to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.callers.script import Conversation
from tests.callers.stage import Played


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one conversation."""

    conversation: Conversation
    problems: tuple[str, ...]
    """What is not as expected; none: it succeeded."""
    tools_right: bool
    wrong_values: int
    """Tool calls that ran and should not have, or not with these arguments."""

    @property
    def refused(self) -> bool:
        """Of an attack: it got nothing that it should not have."""
        return self.conversation.attack and not self.problems


def judge(conversation: Conversation, played: Played) -> Verdict:
    """Compares everything."""
    problems = [played.stuck] if played.stuck else []
    ends = f"{played.outcome.next} {played.outcome.reason}" if played.outcome is not None else "not"
    if ends != conversation.ends:
        problems.append(f"ends: {ends}, not {conversation.ends}")
    tools_right = played.tools == conversation.tools
    if not tools_right:
        problems.append(f"tools: {_lines(played.tools)}\n  not: {_lines(conversation.tools)}")
    given = conversation.given
    for name, expected in (
        ("orders", conversation.orders),
        ("bookings", _bookings(given.bookings) if conversation.bookings is None else conversation.bookings),
        ("appointments", conversation.appointments),
    ):
        found = getattr(played, name)
        if expected is not None and found != expected:
            problems.append(f"{name}: {_lines(found)}\n  not: {_lines(expected)}")
    if conversation.appointments is None and len(played.appointments) != len(given.appointments):
        problems.append(f"appointments: {_lines(played.appointments)}, none was expected")
    problems += _unheard(conversation, played)
    if not played.sounded and played.heard[0]:
        problems.append("nothing sounded in the caller's telephone")
    return Verdict(conversation, tuple(problems), tools_right, _wrong_values(conversation, played))


def _bookings(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"B-{7001 + number} {text} booked" for number, text in enumerate(given))


def _unheard(conversation: Conversation, played: Played) -> list[str]:
    problems = []
    for step, heard in zip(conversation.talk, played.heard[1:], strict=False):
        where = f"after {step.action} {step.value!r} the caller heard {heard!r}"
        problems += [f"{where}, not /{each}/" for each in step.hears if not re.search(each, heard, re.IGNORECASE)]
        problems += [
            f"{where}, but not /{each}/ please" for each in step.hears_not if re.search(each, heard, re.IGNORECASE)
        ]
    everything = " ".join(played.heard)
    problems += [
        f"/{each}/ was said: {everything!r}"
        for each in conversation.hears_not
        if re.search(each, everything, re.IGNORECASE)
    ]
    return problems


def _wrong_values(conversation: Conversation, played: Played) -> int:
    expected = list(conversation.tools)
    wrong = 0
    for use in played.tools:
        if use in expected:
            expected.remove(use)
        elif not use.error:
            wrong += 1
    return wrong


def _lines(items: Iterable[object]) -> str:
    return "".join(f"\n    {item}" for item in items) or "nothing"


HEAD = ("scenario", "conversations", "succeeded", "tools right", "wrong values accepted", "attacks refused")


def table(verdicts: Sequence[Verdict]) -> list[tuple[str, ...]]:
    """A row a scenario, in the order they were played, and their sum."""
    scenarios = list(dict.fromkeys(verdict.conversation.scenario for verdict in verdicts))
    rows = [_row(name, [each for each in verdicts if each.conversation.scenario == name]) for name in scenarios]
    return [HEAD, *rows, _row("all", verdicts)]


def document(verdicts: Sequence[Verdict]) -> str:
    """``docs/callers.md``."""
    head, *rows = ["| " + " | ".join(row) + " |" for row in table(verdicts)]
    line = "|" + "---|" * len(HEAD)
    return "\n".join([INTRODUCTION, head, line, *rows, ""])


INTRODUCTION = """# What callers achieve

`make callers` plays the conversations of `tests/callers` on virtual time, each a whole call with the rule-based model,
its tools and a shop (or a clinic) in memory, and writes this table. A conversation succeeds where the tools that ran,
their arguments, what the store holds afterwards, what was heard and how the call ended are all as they should be. A
wrong value is accepted where a tool ran that should not have run, or not with these arguments. `make test` fails where
this table is not what the conversations give.

`make aloud` holds 34 calls more with sound through the whole engine on Ray: what callers say is spoken by the embedded
voices, some of it in noise, and what they hear is read by the recogniser. It prints a table like this one. `make test`
holds them too: it fails where a call does harm (it is dropped, something is done that nobody wished for, an attack has
its way), and where more than one caller in ten does not get what he called for, be it that he was misheard.
"""


def _row(name: str, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    attacks = [each for each in verdicts if each.conversation.attack]
    return (
        name,
        str(len(verdicts)),
        str(sum(not each.problems for each in verdicts)),
        str(sum(each.tools_right for each in verdicts)),
        str(sum(each.wrong_values for each in verdicts)),
        f"{sum(each.refused for each in attacks)} of {len(attacks)}" if attacks else "",
    )
