"""Which step of a form is next, worked out from what was said and what tools answered so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine.agent.forms import Ask, Form, FormBook, Run, SlotSpec, arguments_of, key_of
from engine.agent.kinds import Heard, chosen
from engine.agent.situation import Option, Situation


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form needs next: a slot, or a tool run (after a yes where ``step.confirm`` is set)."""

    slot: str = ""
    step: Run | None = None
    arguments: Mapping[str, Any] | None = None


def values(book: FormBook, situation: Situation, today: date) -> dict[str, Any]:
    """All slots, those chosen among offered options settled."""
    found = dict(situation.slots)
    form = book.forms.get(situation.active)
    for name in form.slots() if form is not None else ():
        spec = book.slots[name]
        if spec.kind == "offered":
            option = _settled(spec, situation, today)
            if option is None:
                found.pop(name, None)
            else:
                found[name] = option
    return found


def _settled(spec: SlotSpec, situation: Situation, today: date) -> Option | None:
    options = situation.offers.get(spec.of)
    if not options:
        return None
    current = situation.slots.get(spec.name)
    if isinstance(current, Mapping):
        for option in options:
            if key_of(spec, option) == key_of(spec, current):
                return option
        same = [option for option in options if option.get(spec.match_time) == current.get(spec.match_time)]
        if spec.match_time and len(same) == 1:
            return same[0]  # another day at the same time
    for text in reversed(situation.turns):  # said before the options were known: "on Saturday at ten"
        named = chosen(spec, options, Heard(text, asked=False, today=today))
        if named is not None:
            return named
    return options[0] if len(options) == 1 else None


def next_of(book: FormBook, form: Form, situation: Situation, given: Mapping[str, Any]) -> Wanted | None:
    """What ``form`` needs next; None where nothing is missing."""
    for step in form.steps:
        if step.when is not None and not step.when.holds(given):
            continue
        if isinstance(step, Ask):
            if given.get(step.slot) is None:
                return Wanted(slot=step.slot)
            continue
        arguments, missing = arguments_of(step, given)
        if missing:
            return Wanted(slot=missing)
        known = situation.done.get(step.tool)
        if known is None or dict(known.arguments) != arguments:
            return Wanted(step=step, arguments=arguments)
    return None
