"""Decides what to do about the caller's last turn: one tool call, one question or one short answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.agent import talk_words as words
from engine.agent.dates import times
from engine.agent.forms import Form, Run, SlotSpec, filled_in, listed, looked_up
from engine.agent.kinds import nearest_first, options_said, wanted_time
from engine.agent.playbook import Playbook
from engine.agent.replies import Sentences
from engine.agent.rules import Decision, Rules
from engine.agent.situation import CALL_BACK, CHANGE, CONFIRM, CONNECT, ELSE, RESUME, Situation, ToolResult
from engine.agent.steps import Wanted, next_of
from engine.agent.talk import Talk

_AGAIN = frozenset({"not_said", "missing", "bad_arguments", "out_of_range"})
"""Refusals that mean a value must be asked for again."""


class Desk:
    """The decisions of one playbook."""

    def __init__(
        self,
        playbook: Playbook,
        rules: Rules,
        say: Sentences,
        values: Callable[[Situation], dict[str, Any]],
        is_open: Callable[[], bool],
    ) -> None:
        """``values``: a situation's slots, choices settled; ``is_open``: whether people are there now."""
        self.say = say
        self._book = playbook.forms
        self._always = {"maximum": playbook.max_quantity, "hours": playbook.hours.spoken()}
        self._rules = rules
        self._values = values
        self._is_open = is_open

    def decide(self, situation: Situation) -> Decision:  # noqa: C901, PLR0911, PLR0912 - one case an intent
        """What to do about the caller's last turn."""
        if situation.stuck >= 3:
            return self._transfer("cannot_help", self.say("repair_operator") if self._is_open() else "")
        own = self._rules.decide(self.say, situation)
        if own is not None:
            return own
        intent, say = situation.intent, self.say
        plain = {
            Talk.ATTACK: "refuse",
            Talk.PRIVATE: "refuse_private",
            Talk.THANKS: "welcome",
            Talk.GREETING: "hello",
            Talk.WHO: "who",
            Talk.WAIT: "go_on",
        }
        if intent in plain:
            return Decision(say(plain[Talk(intent)]))
        if intent in self._book.forms or (intent == Talk.UNKNOWN and situation.asked not in self._book.slots):
            return self._go_on(situation)
        match intent:
            case Talk.OPERATOR:
                return self._transfer("caller_request")
            case Talk.COMPLAINT:
                return self._transfer("complaint")
            case Talk.GOODBYE:
                return Decision(tool="end_call")
            case Talk.CALL_BACK:
                return self._call_back()
            case Talk.REPEAT:
                return Decision(situation.answer or say("nothing_to_repeat"))
            case Talk.KNOWLEDGE:
                return Decision(tool="search_knowledge_base", arguments={"query": situation.question})
            case Talk.DROP:
                return Decision(say("cancelled"))
            case Talk.YES:
                return self._yes(situation)
            case Talk.NO:
                return self._no(situation)
            case Talk.UNKNOWN:
                return self._unknown(situation)
            case _:
                return self._unclear(situation)

    def after(self, situation: Situation, result: ToolResult, knowledge: str = "") -> Decision:
        """What to say, or do next, after a tool answered; ``knowledge``: the passage that answers the question."""
        if not result.ok:
            return self._failed(situation, result)
        if result.name == "search_knowledge_base":
            text = knowledge or self.say("not_known")
            # what could not be reached a moment ago is tried again when the caller asks for it
            return Decision(text) if situation.down else self._and_on(situation, text)
        given = {**self._values(situation), **situation.closing}
        form = self._book.forms.get(situation.finished or situation.active)
        step = form.runs(result.name, given) if form is not None else None
        spec = self._book.results.get(result.name)
        empty = spec is not None and bool(spec.offers) and not situation.offers.get(spec.offers)
        if step is not None and empty and step.none:
            return self._and_on(situation, filled_in(step.none, self._words(given, result)))
        text = self._rules.spoken(self.say, result, situation)
        if not text and step is not None and step.then:
            text = filled_in(step.then, self._words(given, result))
        return self._and_on(situation, text)

    def _words(self, given: Mapping[str, Any], result: ToolResult | None = None) -> dict[str, Any]:
        content = result.content if result is not None else {}
        arguments = result.arguments if result is not None else {}
        spec = self._book.results.get(result.name) if result is not None else None
        options = ""
        if spec is not None and spec.label:
            entries = looked_up(content, spec.path) or ()
            options = listed([filled_in(spec.label, entry) for entry in list(entries)[:3]], last="and")
        said = {
            name: slot.said[str(given[name])]
            for name, slot in self._book.slots.items()
            if str(given.get(name)) in slot.said
        }
        return {**given, **said, "options": options, "result": {**arguments, **content}}

    def _and_on(self, situation: Situation, text: str) -> Decision:
        """``text``, and what the conversation goes on with."""
        if text.rstrip().endswith("?"):
            return Decision(text)
        form = self._book.forms.get(situation.active)
        if form is not None:
            following = self._step(form, situation, fresh=True)
            if following is not None and following.tool:
                return Decision(text, following.tool, following.arguments)
            if following is not None:
                return Decision(f"{text} {following.text}".strip())
        if not text:
            return Decision(self.say("anything_else"))
        if situation.finished and situation.paused:
            about = self._book.forms[situation.paused[-1]].about
            return Decision(f"{text} {self.say('resume', about=about)}")
        if situation.finished:
            return Decision(f"{text} {self.say('goodbye_hint')}")
        return Decision(text)

    def _go_on(self, situation: Situation) -> Decision:
        form = self._book.forms.get(situation.active)
        step = self._step(form, situation) if form is not None else None
        return step or Decision(self.say("capabilities"))

    def _step(self, form: Form, situation: Situation, *, fresh: bool = False) -> Decision | None:
        """The next step of ``form``; ``fresh``: its question was not asked just now. None: nothing is missing."""
        given = self._values(situation)
        wanted = next_of(self._book, form, situation, given)
        if wanted is None:
            return None
        if wanted.slot:
            return Decision(self._question(wanted.slot, situation, given, fresh=fresh))
        assert wanted.step is not None
        if wanted.step.confirm and not _confirmed(situation, wanted):
            return Decision(filled_in(wanted.step.confirm, self._words(given)))
        return Decision(tool=wanted.step.tool, arguments=wanted.arguments)

    def _question(self, slot: str, situation: Situation, given: Mapping[str, Any], *, fresh: bool = False) -> str:
        own = self._rules.question(self.say, slot, situation)
        if own:
            return own
        spec = self._book.slots.get(slot)
        if spec is None:  # a value that a tool should have left
            return self.say("tool_refused")
        again = situation.asked == slot and not fresh and not situation.new and bool(spec.again)
        return self._asking(spec, situation, given, again=again)

    def _asking(self, spec: SlotSpec, situation: Situation, given: Mapping[str, Any], *, again: bool) -> str:
        wanted = wanted_time(spec, situation.turns)
        options = nearest_first(spec, situation.offers.get(spec.of, ()), situation.turns)
        words = {**self._words(given), **self._always, "options": options_said(spec, options)}
        text = (spec.again if again else "") or spec.ask
        missed = bool(wanted) and all(str(option.get(spec.match_time, ""))[:5] != wanted for option in options)
        if spec.missed and (missed or (again and times(situation.text, expected=True, goods=spec.goods))):
            text = f"{spec.missed} {text}"
        return filled_in(text, words)

    def _yes(self, situation: Situation) -> Decision:
        if situation.asked == CONNECT:
            return self._transfer("caller_request")
        if situation.asked == CALL_BACK:
            return self._call_back()
        if situation.asked in {CONFIRM, RESUME}:
            return self._go_on(situation)
        if situation.asked in {ELSE, CHANGE}:
            return Decision(self.say("go_on"))
        form = self._book.forms.get(situation.active)
        step = self._step(form, situation) if form is not None else None
        return step or Decision(self.say("capabilities"))

    def _no(self, situation: Situation) -> Decision:
        if situation.asked == ELSE:
            nothing = words.NO.search(situation.text) or words.THANKS.search(situation.text)
            return Decision(tool="end_call") if nothing else Decision(self.say("repair"))
        if situation.asked == CONFIRM and situation.active:
            return Decision(self.say("what_to_change"))
        if situation.asked == CHANGE:
            return Decision(self.say("not_done"))
        spec = self._book.slots.get(situation.asked)
        if spec is not None and spec.optional and situation.active:
            return self._go_on(situation)
        if spec is not None and spec.unknown:
            return Decision(spec.unknown)
        if spec is not None and not situation.active and situation.topic in self._book.forms:
            return Decision(self.say("cancelled"))
        return Decision(self.say("anything_else"))

    def _unknown(self, situation: Situation) -> Decision:
        spec = self._book.slots[situation.asked]
        if spec.unknown_form or (spec.optional and situation.active):
            return self._go_on(situation)
        return Decision(spec.unknown or self.say("cannot_without"))

    def _unclear(self, situation: Situation) -> Decision:
        form = self._book.forms.get(situation.active)
        if form is not None and (situation.asked in form.slots() or situation.asked == CONFIRM or situation.new):
            step = self._step(form, situation)
            if step is not None:
                sorry = "" if situation.new or not situation.stuck else f"{self.say('sorry')} "
                return step if step.tool else Decision(sorry + step.text)
        return Decision(self.say("repair" if situation.stuck < 2 else "repair_again"))

    def _transfer(self, reason: str, text: str = "") -> Decision:
        if not self._is_open():
            return Decision(self.say("closed"))
        return Decision(text, "transfer_to_operator", {"reason": reason})

    def _call_back(self) -> Decision:
        return Decision(self.say("callback"), "end_call", {"reason": "callback"})

    def _failed(self, situation: Situation, result: ToolResult) -> Decision:
        own = self._rules.failed(self.say, result, situation)
        if own:
            return Decision(own)
        error = result.content.get("error")
        error = error if isinstance(error, Mapping) else {}
        code, argument = str(error.get("code", "")), str(error.get("argument", ""))
        form = self._book.forms.get(situation.active)
        given = self._values(situation)
        step = form.runs(result.name, given) if form is not None else None
        if code == "not_confirmed" and step is not None and step.confirm:
            return Decision(filled_in(step.confirm, self._words(given)))
        refusal = self._book.refusals.get(code)
        if refusal is not None:
            text = filled_in(refusal.say, {**self._words(given), "message": _sentence(str(error.get("message", "")))})
            return self._and_on(situation, text) if refusal.clear else Decision(text)
        if code == "closed":
            return Decision(self.say("closed"))
        if code == "store_unavailable":
            return Decision(self.say("store_down"))
        if code in _AGAIN and step is not None and argument in step.arguments:
            slot = _slot_of(step, argument)
            spec = self._book.slots.get(slot)
            if spec is not None and (spec.again or spec.ask):
                return Decision(self._asking(spec, situation, given, again=True))
        return Decision(self.say("tool_refused"))


def _confirmed(situation: Situation, wanted: Wanted) -> bool:
    """Whether the caller said yes to exactly what would be done now."""
    return situation.asked == CONFIRM and situation.intent == Talk.YES and not situation.new and wanted.step is not None


def _slot_of(step: Run, argument: str) -> str:
    return step.arguments[argument].removeprefix("maybe ").partition(".")[0]


def _sentence(text: str) -> str:
    text = text.strip()
    return "" if not text else text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
