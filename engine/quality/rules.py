"""Scores that follow from the records alone: the same call, the same scores, each time and without a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from itertools import pairwise
from statistics import median
from typing import Any, Final

from engine.agent.assent import is_assent
from engine.agent.numbers import number_runs
from engine.quality.criteria import Business, Criterion, JudgedCall, JudgedTool, Score, Scores

WORDS_GOOD: Final = 30
"""Words of an answer that are easily listened to: some twelve seconds."""
WORDS_BAD: Final = 75
"""Half a minute in which nobody else may speak."""
LEAST_DIGITS: Final = 3
"""Shorter numbers are too often counts and halves of something to be asked where they come from."""

_REFUSED: Final = frozenset({"unknown_tool", "bad_arguments", "missing", "not_said", "out_of_range", "impossible_size"})
"""Errors by which a tool says that it should not have been called, or not so. ``not_confirmed`` is none of them: being
refused until the caller has said yes is how a confirmation begins."""
_AWAY: Final = frozenset({"store_unavailable", "failed", "closed"})
"""Errors that are nobody's choice of a tool."""
_FOR_A_PERSON: Final = frozenset({"caller_request", "keypad"})
_ENDINGS: Final = frozenset({"transfer_to_operator", "end_call"})
_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_THANKS: Final = re.compile(
    r"\b(?:thank(?:s| you)|great|perfect|brilliant|wonderful|lovely|спасибо|благодар\w*|отлично|супер|дякую|"
    r"дякуємо|чудово|прекрасно)\b",
    re.IGNORECASE,
)
_ANNOYED: Final = re.compile(
    r"\b(?:useless|ridiculous|terrible|nonsense|stupid|waste of time|not what i (?:said|asked)|you don't understand|"
    r"i already (?:said|told)|ужас\w*|бесполезн\w*|глуп\w*|вы не понимаете|я уже (?:говорил|сказал)\w*|жах\w*|"
    r"безглузд\w*|ви не розумієте|я вже (?:казав|казала|говорив|говорила))\b",
    re.IGNORECASE,
)
_SAME: Final = 0.85
"""How alike two sentences must be to be the same one again."""


def judge(call: JudgedCall, business: Business) -> dict[Criterion, Score]:
    """All eight scores of ``call``."""
    return {criterion: rule(call, business) for criterion, rule in _RULES.items()}


def _greeted(call: JudgedCall, business: Business) -> Score:
    spoken = [turn for turn in call.turns if turn.speaker in ("agent", "caller") and turn.text != ""]
    if not any(turn.speaker == "agent" for turn in spoken):
        return Score(0.0, "agent_silent")
    first = spoken[0]
    if first.text is None:
        return Score(None, "text_removed")
    if first.speaker == "caller":
        return Score(0.0, "no_greeting")
    heard, whole = _words(first.text), _words(business.greeting)
    if not whole:
        return Score(1.0, "agent_spoke_first")
    if _alike(heard[: len(whole)], whole) >= _SAME or heard[: len(whole)] == whole:
        return Score(1.0, "greeted")
    if heard and heard == whole[: len(heard)]:  # the caller spoke over it
        return Score(1.0 if len(heard) * 2 >= len(whole) else 0.5, "greeting_cut")
    return Score(0.5, "another_greeting")


def _understood(call: JudgedCall, business: Business) -> Score:
    if not any(turn.speaker == "caller" for turn in call.turns):
        return Score(None, "caller_silent")
    if call.ending_reason == "not_understood":
        return Score(0.0, "not_understood")
    if call.transfer_reason in _FOR_A_PERSON:
        return Score(1.0, "asked_for_person")
    asked_again = sum(_alike(_words(turn.text), _words(business.not_heard)) >= _SAME for turn in call.said_by("agent"))
    repeats = _repeats(call, "caller", least=3)
    matched = any(tool.success and tool.name not in _ENDINGS for tool in call.tools)
    score = (1.0 if matched or call.scenario else 0.5) - 0.25 * min(2, asked_again + repeats)
    if asked_again + repeats:
        return Score(max(0.0, score), "caller_repeated_himself")
    return Score(score, "tool_did_it" if matched or call.scenario else "nothing_was_done")


def _right_tool(call: JudgedCall, _business: Business) -> Score:
    chosen = [tool for tool in call.tools if tool.success or tool.error not in _AWAY]
    if not chosen:
        return Score(None, "tools_away" if call.tools else "no_tool_needed")
    refused = sum(not tool.success and tool.error in _REFUSED for tool in chosen)
    again = sum(_same_call(one, other) for one, other in pairwise(chosen))
    wrong = min(len(chosen), refused + again)
    return Score(1 - wrong / len(chosen), "tools_refused" if refused else "tool_repeated" if again else "tools_fit")


def _same_call(one: JudgedTool, other: JudgedTool) -> bool:
    """Whether a tool that had answered was asked the very same again."""
    if not one.success or one.name != other.name or one.arguments is None:
        return False
    return one.arguments == other.arguments and one.turn == other.turn


def _accurate(call: JudgedCall, business: Business) -> Score:
    if _failed_changes(call, business) and call.outcome == "resolved":
        return Score(0.0, "change_failed_and_resolved")
    if call.text_removed:
        return Score(None, "text_removed")
    answered = [tool for tool in call.tools if tool.success and tool.name not in _ENDINGS]
    if not all(_tells_values(tool.result) for tool in answered):
        return Score(None, "results_not_kept")
    known = set(business.numbers)
    for tool in call.tools:
        known |= set(_digits_in(tool.result)) | set(_digits_in(tool.arguments))
    said = invented = 0
    for turn in call.turns:
        runs = [run for run in number_runs(turn.text or "", call.language) if len(run.digits) >= LEAST_DIGITS]
        if turn.speaker == "caller":
            known |= {part for run in runs for part in (run.digits, *run.groups)}
            continue
        said += len(runs)
        invented += sum(not _is_known(run.digits, run.groups, known) for run in runs)
    if not said:
        return Score(1.0, "no_numbers_said")
    return Score(1 - invented / said, "numbers_without_source" if invented else "numbers_have_sources")


def _failed_changes(call: JudgedCall, business: Business) -> bool:
    """Whether a change that the caller had agreed to failed, and was not done later."""
    failed = {tool.name for tool in call.tools if not tool.success and tool.name in business.confirmed}
    last = {tool.name: tool.success for tool in call.tools}
    return any(not last[name] for name in failed if _gave_up(call, name))


def _gave_up(call: JudgedCall, name: str) -> bool:
    """A refusal before the caller's yes is how confirmation works: only what failed by itself was lost."""
    errors = [tool.error for tool in call.tools if tool.name == name and not tool.success]
    return bool(errors) and errors[-1] in _AWAY


def _tells_values(result: Mapping[str, Any] | None) -> bool:
    """Whether a tool's numbers were kept, or its whole answer. Calls of earlier releases have ids alone, which prove no
    price right or wrong."""
    return result is not None and ("numbers" in result or result.get("ok") is True)


def _is_known(digits: str, groups: tuple[str, ...], known: set[str]) -> bool:
    if digits in known or all(group in known for group in groups):
        return True
    return any(digits in one for one in known if len(one) > len(digits))


def _digits_in(value: object) -> Iterator[str]:
    """The numbers in a tool's arguments or answer, as a person may say them: 104.50 is 104, 50 and 10450."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _digits_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _digits_in(each)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value)
        parts = re.findall(r"\d+", text)
        yield from parts
        yield "".join(parts)


def _confirmed(call: JudgedCall, business: Business) -> Score:
    done = [tool for tool in call.tools if tool.success and tool.name in business.confirmed]
    if not done:
        return Score(None, "nothing_to_confirm")
    if call.text_removed:
        return Score(None, "text_removed")
    agreed = sum(_agreed(call, tool, business.confirmed[tool.name]) for tool in done)
    return Score(agreed / len(done), "all_confirmed" if agreed == len(done) else "done_without_a_yes")


def _agreed(call: JudgedCall, tool: JudgedTool, further: str) -> bool:
    """Whether the agent asked before the turn in which the tool ran, and the caller's words in it are a yes."""
    if tool.turn is None:
        return False
    asked = [turn.text or "" for turn in call.said_by("agent") if turn.turn < tool.turn]
    answers = [turn.text or "" for turn in call.said_by("caller") if turn.turn == tool.turn]
    if not asked or not answers or "?" not in asked[-1]:
        return False
    return any(
        is_assent(answer, call.language) or bool(further and re.search(further, answer, re.IGNORECASE))
        for answer in answers
    )


def _concise(call: JudgedCall, _business: Business) -> Score:
    lengths = [len(_words(turn.text)) for turn in call.said_by("agent")]
    if not lengths:
        return Score(None, "text_removed" if call.text_removed else "agent_silent")
    typical = max(median(lengths), 0.6 * max(lengths))  # one lecture among short answers is one too many
    score = 1 - min(1.0, max(0.0, (typical - WORDS_GOOD) / (WORDS_BAD - WORDS_GOOD)))
    repeats = _repeats(call, "agent", least=6)
    if repeats:
        return Score(max(0.0, score - 0.25 * min(3, repeats)), "repeats_itself")
    return Score(score, "short_answers" if score >= 1 else "long_answers")


def _resolved(call: JudgedCall, _business: Business) -> Score:
    match call.outcome:
        case "resolved":
            return Score(1.0, "call_back_agreed" if call.ending_reason == "callback" else "resolved")
        case "transferred":
            known = call.transfer_reason in _FOR_A_PERSON
            return Score(0.0, "asked_for_person" if known else "went_to_a_person")
        case "abandoned":
            return Score(0.0, "caller_left")
        case "failed":
            return Score(0.0, "failed")
        case _:
            return Score(None, "outcome_unknown")


def _satisfied(call: JudgedCall, _business: Business) -> Score:
    if not any(turn.speaker == "caller" for turn in call.turns):
        return Score(None, "caller_silent")
    words = " ".join(turn.text or "" for turn in call.said_by("caller"))
    if call.transfer_reason == "complaint":
        return Score(0.0, "complaint")
    if _ANNOYED.search(words):
        return Score(0.1, "annoyed_words")
    if call.ending_reason == "not_understood":
        return Score(0.1, "not_understood")
    if call.failures or call.outcome == "failed":
        return Score(0.2, "something_failed")
    if _THANKS.search(words):
        return Score(1.0, "thanked")
    if call.outcome == "abandoned" and call.ending_reason != "goodbye":
        return Score(0.3, "caller_left")
    return Score(0.8, "resolved_quietly") if call.outcome == "resolved" else Score(0.5, "no_sign")


def _repeats(call: JudgedCall, speaker: str, *, least: int) -> int:
    """How often one of the two said the same sentence of ``least`` words or more twice in a row."""
    said = [_words(turn.text) for turn in call.said_by(speaker)]
    return sum(len(one) >= least and _alike(one, other) >= _SAME for one, other in pairwise(said))


def _words(text: str | None) -> list[str]:
    return [word.lower() for word in _WORD.findall(text or "")]


def _alike(one: list[str], other: list[str]) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if one and other else 0.0


_RULES: Final[Mapping[Criterion, Callable[[JudgedCall, Business], Score]]] = {
    Criterion.GREETED: _greeted,
    Criterion.INTENT_UNDERSTOOD: _understood,
    Criterion.RIGHT_TOOL: _right_tool,
    Criterion.ACCURATE: _accurate,
    Criterion.CONFIRMED: _confirmed,
    Criterion.CONCISE: _concise,
    Criterion.RESOLVED: _resolved,
    Criterion.SATISFIED: _satisfied,
}


def with_model(scores: Scores, judged: Mapping[Criterion, Score]) -> dict[Criterion, Score]:
    """The rules' scores, with those in their place that a model gave to what words decide."""
    return {**scores, **judged}
