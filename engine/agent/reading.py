"""Follows a conversation message by message: what was wanted, what was said, what was asked last."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from engine.agent import talk_words as words
from engine.agent.asked import Questions
from engine.agent.forms import Form, FormBook, Run, looked_up
from engine.agent.grounding import is_assent, is_dissent
from engine.agent.kinds import READERS, Heard, chosen, nearest_first
from engine.agent.playbook import Playbook
from engine.agent.ports import Message
from engine.agent.rules import Rules
from engine.agent.situation import CALL_BACK, CHANGE, CONFIRM, CONNECT, OTHER, RESUME, Situation, ToolResult
from engine.agent.steps import next_of, values
from engine.agent.talk import Talk, people, small_talk, yes_or_no

_LONGEST_TURN = 600
"""Characters of one turn that are looked at, its end: patterns take their time on more."""
_TURNS_KEPT = 8
_OTHER_JOB = 3.0
"""Weight from which words for another form count even where they hold an answer to what was asked."""
_BRIEF = 6
"""Words up to which a turn is taken as an answer and no more."""
_ASKS = re.compile(
    r"^\W*(?:(?:and|so|but|well)\W+)*(?:how|what|when|where|why|do you|is there|are there)\b", re.IGNORECASE
)
"""Questions that answer nothing, whatever words they hold: "how long does delivery take"."""
_NOTHING_SAID = frozenset(
    {Talk.ATTACK, Talk.PRIVATE, Talk.KNOWLEDGE, Talk.COMPLAINT, Talk.OPERATOR, Talk.REPEAT, Talk.WAIT, Talk.WHO}
)
"""Turns that fill no slot."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far a conversation was read."""

    situation: Situation
    calls: Mapping[str, tuple[str, str]]
    spoken: str
    """What the agent said since the caller's last turn."""


class SituationReader:
    """Follows conversations of one playbook turn by turn.

    Everything is told from the messages; what was read before is only kept (for the last conversations) so that a long
    one is not read from its start at each turn.
    """

    def __init__(self, playbook: Playbook, rules: Rules, today: Callable[[], date], *, kept: int = 256) -> None:
        """``today``: the date where the business is."""
        self._book: FormBook = playbook.forms
        self._rules = rules
        self._today = today
        self._questions = Questions(playbook)
        self._greeting = frozenset(re.findall(r"[\w']+", playbook.phrases.greeting.lower()))
        self._kept = kept
        self._readings: OrderedDict[tuple[Message, ...], _Reading] = OrderedDict()

    def read(self, messages: Sequence[Message]) -> Situation:
        """Where the conversation stands after ``messages``."""
        messages = tuple(messages)
        turns = [index + 1 for index, message in enumerate(messages) if message.role == "user"]
        start, reading = 0, _Reading(Situation(), {}, "")
        for length in reversed(turns):
            known = self._readings.get(messages[:length])
            if known is not None:
                start, reading = length, known
                break
        for index in range(start, len(messages)):
            reading = self._next(reading, messages[index])
            if messages[index].role == "user":
                self._keep(messages[: index + 1], reading)
        return replace(reading.situation, answer=reading.spoken or reading.situation.answer)

    def values(self, situation: Situation) -> dict[str, Any]:
        """The slots of a situation, choices settled."""
        return values(self._book, situation, self._today())

    def _keep(self, messages: tuple[Message, ...], reading: _Reading) -> None:
        self._readings[messages] = reading
        while len(self._readings) > self._kept:
            self._readings.popitem(last=False)

    def _next(self, reading: _Reading, message: Message) -> _Reading:
        situation, calls, spoken = reading.situation, reading.calls, reading.spoken
        if message.role == "user":
            before = replace(situation, answer=spoken or situation.answer)
            return _Reading(self._heard(before, message.content[-_LONGEST_TURN:], spoken), calls, "")
        if message.role == "assistant":
            made = {call.id: (call.name, call.arguments) for call in message.tool_calls}
            spoken = f"{spoken} {message.content}".strip() if message.content else spoken
            return _Reading(situation, {**calls, **made}, spoken)
        if message.role == "tool":
            return _Reading(self._answered(situation, message, calls), calls, spoken)
        return reading

    # What tools answered

    def _answered(self, situation: Situation, message: Message, calls: Mapping[str, tuple[str, str]]) -> Situation:
        name, arguments = calls.get(message.tool_call_id, ("", "{}"))
        result = ToolResult(name, _object(arguments), _object(message.content))
        situation = replace(situation, results=(*situation.results, result))
        form = self._book.forms.get(situation.active)
        step = form.runs(name, self.values(situation)) if form is not None else None
        if not result.ok:
            error = result.content.get("error")
            code = str(error.get("code", "")) if isinstance(error, Mapping) else ""
            situation = replace(situation, down=situation.down or code == "store_unavailable")
            refusal = self._book.refusals.get(code)
            if refusal is None:
                return situation
            # what is asked for anew must be looked up anew
            stale = {self._book.slots[slot].of for slot in refusal.clear}
            kept = {tool: known for tool, known in situation.done.items() if self._offered_by(tool) not in stale}
            return replace(situation, done=kept, slots=_without(situation.slots, refusal.clear))
        if name != "search_knowledge_base":
            situation = replace(situation, down=False)
        slots, offers = dict(situation.slots), dict(situation.offers)
        spec = self._book.results.get(name)
        empty = False
        if spec is not None:
            for slot, path in spec.keep.items():
                slots[slot] = looked_up(result.content, path)
            if spec.offers:
                found = looked_up(result.content, spec.path)
                options = tuple(item for item in found or () if isinstance(item, Mapping))
                offers[spec.offers] = options
                empty = not options
        if empty and step is not None:
            slots = _without(slots, step.clear)
            situation = replace(situation, slots=slots, offers=offers)
            if step.clear or form is None:
                return situation
            return replace(situation, active="", finished=form.name, done={})  # nothing to choose from: it ends here
        situation = replace(situation, slots=slots, offers=offers, done={**situation.done, name: result})
        return self._ended(situation, form) if form is not None and step is not None else situation

    def _offered_by(self, tool: str) -> str:
        """Which options ``tool`` looks up."""
        spec = self._book.results.get(tool)
        return spec.offers if spec is not None else ""

    def _ended(self, situation: Situation, form: Form) -> Situation:
        """Ends a form of which nothing is missing any more."""
        given = self.values(situation)
        if next_of(self._book, form, situation, given) is not None:
            return situation
        kept = {slot: value for slot, value in given.items() if slot not in form.forget}
        following = form.next if form.next in self._book.forms else ""
        return replace(
            situation,
            active=following,
            finished=form.name,
            closing=given,
            slots=kept,
            done={},
            turns=situation.turns[-1:] if following else (),
            topic=following or situation.topic,
            paused=tuple(name for name in situation.paused if name != following),
        )

    # What the caller said

    def _heard(self, before: Situation, text: str, spoken: str) -> Situation:
        """One more turn of the caller."""
        before = self._rules.before(replace(before, asked=self._asked(before, spoken)), spoken)
        before = replace(before, slots=self.values(before), results=(), finished="", closing={}, new=frozenset())
        intent = self._intent(before, text)
        situation = self._moved(before, text, intent)
        slots = self._filled(situation, text, before.turns)
        new = frozenset(slot for slot, value in slots.items() if value != before.slots.get(slot))
        question = before.question
        if intent == Talk.KNOWLEDGE:
            follows = (
                bool(
                    (words.FOLLOW_UP.search(text) and not words.OWN_QUESTION.search(text))
                    or words.ABOUT_THAT.search(text)
                )
                and len(text.split()) <= 6
                and before.topic == Talk.KNOWLEDGE
            )
            question = f"{before.question} {text}" if follows else text
        lost = intent == Talk.UNCLEAR or (
            intent == before.active == situation.active and not new and before.asked in self._book.slots
        )
        return replace(
            situation,
            slots=slots,
            new=new,
            question=question,
            stuck=before.stuck + 1 if lost and not new else 0,
            facts=self._rules.noted(before, text),
        )

    def _asked(self, before: Situation, spoken: str) -> str:
        asked = self._questions.asked(spoken, before.active) if spoken else ""
        if before.active and asked in {"", OTHER}:  # broken off, or small talk came between
            form = self._book.forms[before.active]
            wanted = next_of(self._book, form, before, self.values(before))
            if wanted is not None and wanted.slot:
                return wanted.slot
        return asked

    def _intent(self, before: Situation, text: str) -> str:  # noqa: C901, PLR0911 - one rule after the other
        if words.ATTACK.search(text):
            return Talk.ATTACK
        if words.PRIVATE.search(text):
            return Talk.PRIVATE
        found = self._weights(before, text)
        strong = max(found.values(), default=0.0)
        back = before.asked in {CONNECT, CALL_BACK} and words.CALL_BACK.search(text)
        if back and Talk.COMPLAINT not in found:
            return Talk.CALL_BACK
        person = max(found.get(Talk.OPERATOR, 0.0), found.get(Talk.COMPLAINT, 0.0)) >= _OTHER_JOB
        if not person:
            certain = self._certain(before, text, found)
            if certain:
                return certain
        talk = small_talk(text, self._greeting)
        if talk is not None and strong < 2.0:
            return talk
        if talk is Talk.REPEAT and strong < 3.0 and "repeat_blocked" not in self._rules.noted(before, text):
            return talk
        if strong < 2.0 or (words.YES.search(text) and strong < 2.4):
            form = self._rules.answered(before, text)
            if form:
                return form
        if before.active and strong < 2.0 and self._read(before, text, asked=""):
            return before.active
        for name, weight in self._rules.context(before, text).items():
            found[name] = found.get(name, 0.0) + weight
        if talk is Talk.GOODBYE and strong < 3.0 and "goodbye_blocked" not in self._rules.noted(before, text):
            return talk
        if max(found.values(), default=0.0) >= 1.0:
            return max(found.items(), key=lambda entry: entry[1])[0]
        if before.asked in self._book.slots and words.UNKNOWN.search(text):
            return Talk.UNKNOWN
        return yes_or_no(text)

    def _weights(self, before: Situation, text: str) -> dict[str, float]:
        found = people(text, self._book.complaint)
        for form in self._book.forms.values():
            for pattern, weight in form.words:
                if pattern.search(text):
                    found[form.name] = max(weight, found.get(form.name, 0.0))
        if self._book.knowledge is not None and self._book.knowledge.search(text):
            found[Talk.KNOWLEDGE] = 1.2 + (1.4 if words.QUESTION.search(text) else 0.0)
        for name, weight in self._rules.weights(before, text).items():
            found[name] = max(weight, found.get(name, 0.0))
        return found

    def _certain(self, before: Situation, text: str, found: Mapping[str, float]) -> str:
        """What a turn is about because of what was asked before; empty where that does not tell."""
        asked = before.asked
        jobs = self._book.forms
        others = max((weight for name, weight in found.items() if name in jobs and name != before.active), default=0.0)
        if asked == CONFIRM and self._agreed(before, text):
            return Talk.YES
        if others < _OTHER_JOB and asked in {RESUME, CALL_BACK} and is_assent(text):
            return Talk.YES
        if asked == CALL_BACK and others < _OTHER_JOB and is_dissent(text) and len(text.split()) <= _BRIEF:
            return Talk.NO
        if before.active and words.RETRY.search(text) and others < _OTHER_JOB:
            return before.active
        if before.active and words.DROP.search(text) and others < _OTHER_JOB + 0.5:
            return Talk.DROP
        return self._in_form(before, text, found, others) if before.active else ""

    def _agreed(self, before: Situation, text: str) -> bool:
        """Whether a turn is a yes to what was read back."""
        form = self._book.forms.get(before.active)
        for step in form.steps if form is not None else ():
            if isinstance(step, Run) and step.agreed is not None:
                text = step.agreed.sub(" yes ", text)
        return is_assent(text)

    def _in_form(self, before: Situation, text: str, found: Mapping[str, float], others: float) -> str:
        asked = before.asked
        if others < _OTHER_JOB and asked in {CONFIRM, CHANGE}:
            if self._read(before, text, asked=""):
                return before.active
            return Talk.NO if is_dissent(text) and len(text.split()) <= _BRIEF else ""
        known = found.get(Talk.KNOWLEDGE, 0.0)
        asks = (known >= _OTHER_JOB and text.rstrip().endswith("?")) or (known >= 2.0 and _ASKS.search(text))
        if asks or (others >= _OTHER_JOB and len(text.split()) > _BRIEF):
            return ""
        return self._answer(before, text, others)

    def _answer(self, before: Situation, text: str, others: float) -> str:
        """The active form where the turn answers its question, or UNKNOWN or NO; empty where it does neither."""
        asked = before.asked
        spec = self._book.slots.get(asked)
        if spec is None or spec.kind in self._rules.KINDS or asked not in self._book.forms[before.active].slots():
            return ""
        if spec.open or spec.kind in {"text", "name"}:
            if words.UNKNOWN.search(text):
                return Talk.UNKNOWN
            if small_talk(text) is not None or others >= _OTHER_JOB or words.QUESTION.search(text):
                return ""
        if spec.optional and words.NO.search(text) and len(text.split()) <= _BRIEF:
            return Talk.NO
        return before.active if asked in self._read(before, text, asked=asked) else ""

    def _moved(self, before: Situation, text: str, intent: str) -> Situation:
        """``before`` with the form that the turn begins, goes on with or leaves."""
        active, paused = before.active, before.paused
        if intent == Talk.UNKNOWN:
            spec = self._book.slots.get(before.asked)
            if spec is not None and spec.unknown_form:
                intent = spec.unknown_form
        if intent in self._book.forms and intent != active:
            left = self._book.forms.get(active)
            if left is not None and left.about and active not in self._book.forms[intent].instead_of:
                paused = (*(name for name in paused if name != active), active)
            paused = tuple(name for name in paused if name != intent)
            active = intent
        elif intent == Talk.YES and before.asked == RESUME and paused:
            active, paused = paused[-1], paused[:-1]
        elif intent == Talk.NO and before.asked == RESUME:
            paused = ()
        elif intent == Talk.DROP or (intent == Talk.NO and self._refused(before)):
            active = ""
        turns = (*before.turns, text) if active == before.active else (text,)
        topic = intent if intent in self._book.forms or intent == Talk.KNOWLEDGE else before.topic
        done = before.done if active == before.active else {}
        return replace(
            before,
            text=text,
            intent=intent,
            active=active,
            paused=paused,
            topic=topic,
            turns=turns[-_TURNS_KEPT:],
            done=done,
        )

    def _refused(self, before: Situation) -> bool:
        """Whether a no to what was asked ends the form."""
        if before.asked == CHANGE:
            return True
        spec = self._book.slots.get(before.asked)
        return spec is not None and not spec.optional and not spec.unknown and bool(before.active)

    def _filled(self, situation: Situation, text: str, before_turns: Sequence[str]) -> dict[str, Any]:
        """All slots after the turn."""
        slots = dict(situation.slots)
        intent = situation.intent
        if intent in _NOTHING_SAID:
            return slots
        for name, value in self._rules.fill(situation, text, intent).items():
            if value is None:
                slots.pop(name, None)
            else:
                slots[name] = value
        if intent in {Talk.NO, Talk.UNKNOWN}:
            spec = self._book.slots.get(situation.asked)
            if spec is not None and spec.optional:
                slots[spec.name] = ""
                return slots
        if intent == Talk.UNKNOWN and situation.turns == (text,):  # another form finds it out: it may have been said
            for earlier in before_turns:
                slots.update(self._read(situation, earlier, asked=""))
            slots.update(self._read(situation, text, asked=""))
        if intent in {situation.active, Talk.YES, Talk.UNCLEAR, Talk.NO}:
            asked = situation.asked if intent == situation.active or situation.asked != RESUME else ""
            slots.update(self._read(situation, text, asked=asked))
        return slots

    def _read(self, situation: Situation, text: str, *, asked: str) -> dict[str, Any]:
        """What a turn says for the slots of the active form."""
        form = self._book.forms.get(situation.active)
        found: dict[str, Any] = {}
        for name in form.slots() if form is not None else ():
            spec = self._book.slots[name]
            if spec.kind in self._rules.KINDS:
                continue
            heard = Heard(text, asked=name == asked, today=self._today(), before=situation.slots.get(name))
            if spec.kind == "offered":
                told = situation.turns[:-1] if situation.turns[-1:] == (text,) else situation.turns
                options = nearest_first(spec, situation.offers.get(spec.of, ()), told)
                value: Any = chosen(spec, options, heard)
            else:
                value = READERS[spec.kind](spec, heard)
            if (value is not None and value != situation.slots.get(name)) or (value is not None and name == asked):
                found[name] = value
        if len(found) > 1 and asked in found and self._book.slots[asked].kind == "text" and len(text.split()) <= 4:
            del found[asked]  # "by card" is no address
        return found


def _without(slots: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in slots.items() if name not in names}


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
