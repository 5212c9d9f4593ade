"""Forms: what is asked step by step before a tool may run, as a playbook declares it. Data and nothing else.

A form is a list of steps. ``Ask`` wants a slot filled, ``Run`` wants a tool run with what the slots hold, after reading
it back where it cannot be undone. Which step is next is worked out anew at each turn (``steps``), so a caller may say
things in any order, several at once, or take them back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """One thing a caller is asked for."""

    name: str
    kind: str
    """``digits``, ``quantity``, ``phone``, ``date``, ``time``, ``name``, ``names``, ``text``, ``choice``, ``offered``,
    or a kind of the playbook's own code."""
    ask: str = ""
    """The question; empty for a slot that is filled by the way and never asked for."""
    again: str = ""
    """The question put differently, after an answer that was not understood."""
    missed: str = ""
    """``offered``: said before the question where a time was named that is not among the options."""
    unknown: str = ""
    """What is said to "I don't know"."""
    unknown_form: str = ""
    """… or the form that finds it out."""
    asked: re.Pattern[str] | None = None
    """Words by which a question for it is known that was not made of ``ask``."""
    words: re.Pattern[str] | None = None
    """A value may be taken unasked only from a turn with such words."""
    options: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """``choice``: value → the words for it; ``names``: other words for some of them."""
    said: Mapping[str, str] = field(default_factory=dict)
    """``choice``: value → how it is said; the value itself where nothing stands there."""
    open: bool = False
    """``choice``, ``names``: asked for, what is not among them is taken as it was said."""
    names: tuple[str, ...] = ()
    """``names``: those that exist; misheard ones are known by sound."""
    least: int = 3
    most: int = 12
    """``digits``: how many."""
    of: str = ""
    """``offered``: the list of a tool's result that it is chosen from."""
    key: str = "id"
    """``offered``: the field that tells options apart, or more of them with a plus between."""
    label: str = ""
    """``offered``: how an option is said."""
    label_same: str = ""
    """… and one of the same date as the option before it."""
    match: tuple[str, ...] = ()
    """``offered``: fields whose words name an option."""
    match_date: str = ""
    match_time: str = ""
    """``offered``: fields with a date (ISO) and a time (HH:MM) by which callers name an option."""
    goods: tuple[str, ...] = ()
    """``quantity``, ``date``, ``time``, ``offered``: see ``Playbook.goods``."""
    shown: int = 3
    """``offered``: options said at once."""
    optional: bool = False
    """"No" and "I don't know" leave it empty."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A step that is only for some."""

    slot: str
    value: str
    """Empty: whatever it is, as long as it is filled."""
    negated: bool = False

    def holds(self, values: Mapping[str, Any]) -> bool:
        given = values.get(self.slot)
        holds = given is not None and (not self.value or str(given) == self.value)
        return holds is not self.negated


@dataclass(frozen=True, slots=True)
class Ask:
    """Wants a slot filled."""

    slot: str
    when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Wants a tool run."""

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Argument → "slot", "slot.field" or "=text", after "maybe" where it may be missing."""
    when: Condition | None = None
    confirm: str = ""
    """Read back before; the tool runs after a yes."""
    agreed: re.Pattern[str] | None = None
    """Words of a yes to ``confirm`` that would be a no elsewhere ("cancel it")."""
    then: str = ""
    """Said when it succeeded."""
    none: str = ""
    """Said where the result's list is empty."""
    clear: tuple[str, ...] = ()
    """Slots to ask for anew then."""


Step = Ask | Run


@dataclass(frozen=True, slots=True)
class Form:
    """One job."""

    name: str
    about: str
    """How it is called when it was left and is offered again: "the fitting"."""
    steps: tuple[Step, ...]
    words: tuple[tuple[re.Pattern[str], float], ...] = ()
    """What begins it, and how surely."""
    next: str = ""
    """The form that follows by itself."""
    forget: tuple[str, ...] = ()
    """Slots whose values end with it."""
    instead_of: tuple[str, ...] = ()
    """Forms that it belongs to: they are not offered again when it ends."""

    def slots(self) -> tuple[str, ...]:
        """The slots it asks for, in order."""
        return tuple(dict.fromkeys(step.slot for step in self.steps if isinstance(step, Ask)))

    def runs(self, tool: str, values: Mapping[str, Any]) -> Run | None:
        """The step that runs ``tool``, with these slots."""
        for step in self.steps:
            if isinstance(step, Run) and step.tool == tool and (step.when is None or step.when.holds(values)):
                return step
        return None


@dataclass(frozen=True, slots=True)
class ResultSpec:
    """What a tool's result leaves behind."""

    offers: str = ""
    """Name of the list to choose from …"""
    path: str = ""
    """… and where it stands in the result."""
    label: str = ""
    """How one entry is said where the form tells them ({options})."""
    keep: Mapping[str, str] = field(default_factory=dict)
    """Slot → where its value stands in the result."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is said where a tool refuses."""

    say: str
    clear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FormBook:
    """All forms of a playbook."""

    slots: Mapping[str, SlotSpec] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)
    results: Mapping[str, ResultSpec] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    complaint: re.Pattern[str] | None = None
    """Words of a complaint that only this business hears."""
    knowledge: re.Pattern[str] | None = None
    """Words of what the knowledge tells."""


PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.]*)\}")


def looked_up(values: Any, path: str) -> Any:
    """What stands at "slot.field.field"; None where there is nothing."""
    value = values
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
        if value is None:
            return None
    return value


def filled_in(template: str, values: Mapping[str, Any]) -> str:
    """``template`` with its words in braces; a value that is not there leaves nothing, a list is said as one."""

    def word(match: re.Match[str]) -> str:
        value = looked_up(values, match[1])
        if isinstance(value, list | tuple):
            return listed([str(one) for one in value], last="and")
        return "" if value is None else str(value)

    return re.sub(r"\s+([.,;:?!])", r"\1", re.sub(r" {2,}", " ", PLACEHOLDER.sub(word, template))).strip()


def arguments_of(step: Run, values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The arguments of a step's tool, and the first slot that is missing for them (empty: none is)."""
    arguments: dict[str, Any] = {}
    for name, expression in step.arguments.items():
        wanted = expression.removeprefix("maybe ")
        value = wanted[1:] if wanted.startswith("=") else looked_up(values, wanted)
        if value is None or value == "":
            if wanted == expression:
                return arguments, wanted.partition(".")[0]
            continue
        arguments[name] = value
    return arguments, ""


def key_of(spec: SlotSpec, option: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells ``option`` apart."""
    return tuple(option.get(name) for name in spec.key.split("+"))


def listed(texts: Sequence[str], last: str = "or") -> str:
    """ "one, two or three"."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}" if texts else ""
