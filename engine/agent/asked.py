"""What the agent asked last, told from its own words, whoever chose them."""

from __future__ import annotations

import re

from engine.agent.forms import PLACEHOLDER, Run
from engine.agent.playbook import Playbook
from engine.agent.situation import CALL_BACK, CHANGE, CONFIRM, CONNECT, ELSE, OTHER, RESUME


def _p(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_CONNECT = _p(r"\b(?:connect|transfer|put)\b.*\b(?:you|colleague|operator|person|someone)\b")
_CALL_BACK = _p(r"\b(?:call|ring|phone) you back\b")
_ELSE = _p(r"\b(?:anything|something) else\b|what else\b")
_CONFIRM = _p(
    r"\b(?:shall|should|can|may) i (?:confirm|book|cancel|go ahead|move|do (?:that|it|so))\b|"
    r"\bis (?:that|this|everything) (?:right|correct|ok(?:ay)?)\b|\bdo you confirm\b"
)
_ASKS = re.compile(r"\b(?:please|tell me|give me|need)\b", re.IGNORECASE)
_SPECIAL = {"what_to_change": CHANGE, "resume": RESUME, "closed": CALL_BACK, "store_down": CONNECT}


class Questions:
    """Knows the questions of one playbook."""

    def __init__(self, playbook: Playbook) -> None:
        book = playbook.forms
        own: list[tuple[re.Pattern[str], str]] = []
        for form in book.forms.values():
            own += [(_ending(step.confirm), CONFIRM) for step in form.steps if isinstance(step, Run) and step.confirm]
        own += [(_ending(text), slot.name) for slot in book.slots.values() for text in (slot.ask, slot.again) if text]
        own += [
            (_ending(playbook.sentences[key]), asked) for key, asked in _SPECIAL.items() if key in playbook.sentences
        ]
        # the longest first: "Which day?" must not be taken for the end of "On which day?"
        self._own = sorted(own, key=lambda entry: -len(entry[0].pattern))
        self._slots = [(slot.asked, slot.name) for slot in book.slots.values() if slot.asked is not None]
        self._forms = book.forms

    def asked(self, answer: str, active: str) -> str:
        """A slot, one of the words of ``situation``, or nothing. ``active``: the form that is being filled in."""
        form = self._forms.get(active)
        found = [asked for pattern, asked in self._own if pattern.search(answer)]
        if found:
            return next((asked for asked in found if form is not None and asked in form.slots()), found[0])
        if "?" not in answer and not _ASKS.search(answer):
            return ""
        sentences = re.split(r"(?<=[.?!])\s+", answer)
        questions = [sentence for sentence in sentences if sentence.endswith("?")] or sentences[-1:]
        return self._by_words(questions[-1], active) or self._slot_in(answer) or OTHER

    def _by_words(self, text: str, active: str) -> str:
        if _CALL_BACK.search(text):
            return CALL_BACK
        if _CONNECT.search(text):
            return CONNECT
        if _ELSE.search(text):
            return ELSE
        form = self._forms.get(active)
        confirms = form is not None and any(isinstance(step, Run) and step.confirm for step in form.steps)
        if confirms and _CONFIRM.search(text):
            return CONFIRM
        return self._slot_in(text)

    def _slot_in(self, text: str) -> str:
        return next((name for pattern, name in self._slots if pattern.search(text)), "")


def _ending(template: str) -> re.Pattern[str]:
    """Matches what ends with the last sentence of ``template``, whatever stands in its braces."""
    last = re.split(r"(?<=[.?!])\s+", template.strip())[-1]
    pieces = [re.escape(piece) for piece in PLACEHOLDER.sub("\0", last).split("\0")]
    return re.compile(r"(?:^|[\s.?!])" + r".{0,200}?".join(pieces) + r"\W*$", re.IGNORECASE | re.DOTALL)
