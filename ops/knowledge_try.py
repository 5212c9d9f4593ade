"""``trunkline knowledge try``: asks a file's questions of its passages, and tells how often the right one was found."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from engine.agent.playbooks import Playbooks
from engine.errors import ConfigurationError
from engine.knowledge.assembly import topics_of
from engine.knowledge.meaning import Meaning
from engine.knowledge.port import KnowledgeBase, Passage
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.knowledge.words import WordsKnowledge

SHOWN: Final = 3
"""Passages printed for each question."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the file."""

    text: str
    passage: int | None
    """Index of the passage that answers it; None: none does, and the caller must be told so."""


@dataclass(frozen=True, slots=True)
class Case:
    """A file's passages and questions."""

    passages: tuple[Passage, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found for one question."""

    q: str
    passage: int | None
    found: tuple[int, ...]
    """Indices of the passages, best first."""
    scores: tuple[float, ...]
    """How surely each answers, 0..1."""
    answers: bool
    """Whether the first is sure enough to be told to a caller."""
    milliseconds: float

    @property
    def place(self) -> int | None:
        """Place of the right passage, from 1; None where it was not found or there is none."""
        return self.found.index(self.passage) + 1 if self.passage in self.found else None


def read_case(file: Path) -> Case:
    """Raises ConfigurationError that names the file and what is wrong in it."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"{file}: not JSON: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in ("passages", "questions")):
        raise ConfigurationError(f'{file}: expected {{"passages": […], "questions": […]}}')
    passages = tuple(_passage(file, number, value) for number, value in enumerate(data["passages"]))
    return Case(passages, tuple(_question(file, n, value, len(passages)) for n, value in enumerate(data["questions"])))


def _passage(file: Path, number: int, value: Any) -> Passage:
    entry = {"text": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or not entry["text"].strip():
        raise ConfigurationError(f'{file}: passages.{number}: expected a text, or {{"text": …, "asks": […]}}')
    asks = entry.get("asks", [])
    if not isinstance(asks, list) or not all(isinstance(ask, str) for ask in asks):
        raise ConfigurationError(f"{file}: passages.{number}.asks: expected a list of texts")
    return Passage(str(number), entry["text"], tuple(asks))


def _question(file: Path, number: int, value: Any, passages: int) -> Question:
    if not isinstance(value, dict) or not isinstance(value.get("q"), str) or not value["q"].strip():
        raise ConfigurationError(f'{file}: questions.{number}: expected {{"q": "…", "passage": NUMBER}}')
    right = value.get("passage")
    if right is not None and (not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < passages):
        raise ConfigurationError(f"{file}: questions.{number}.passage: expected 0 to {passages - 1}, or null for none")
    return Question(value["q"], right)


def run(file: Path, playbooks: Playbooks, *, words_only: bool, as_json: bool) -> None:
    """Try the questions of ``file``, with the topics and spellings of ``playbooks``, and print what was found.

    Raises ConfigurationError.
    """
    case = read_case(file)
    tried = asyncio.run(_tried(case, playbooks, words_only=words_only))
    print(json.dumps(report(tried), ensure_ascii=False, indent=1) if as_json else as_text(case, tried))


async def _tried(case: Case, playbooks: Playbooks, *, words_only: bool) -> list[Tried]:
    if words_only:
        return await ask(WordsKnowledge(case.passages, playbooks.default.spellings), case)
    meaning = Meaning()
    try:
        await meaning.start()
        space = Space(meaning, topics_of(playbooks))
        await space.open()
        base = MeaningKnowledge(space, case.passages)
        await base.open()
        return await ask(base, case)
    finally:
        await meaning.close()


async def ask(base: KnowledgeBase, case: Case) -> list[Tried]:
    """Every question, in turn. Raises KnowledgeUnavailable."""
    tried = []
    for question in case.questions:
        started = time.perf_counter()
        hits = await base.search(question.text, limit=max(len(case.passages), 1))
        taken = (time.perf_counter() - started) * 1000
        found, scores = tuple(int(hit.id) for hit in hits), tuple(hit.score for hit in hits)
        answers = bool(hits) and hits[0].answers
        tried.append(Tried(question.text, question.passage, found, scores, answers, round(taken, 2)))
    return tried


def recall(tried: Sequence[Tried], within: int) -> float:
    """Share of the answerable questions whose passage is among the first ``within``; 0 where there are none."""
    asked = [each for each in tried if each.passage is not None]
    return sum(each.place is not None and each.place <= within for each in asked) / len(asked) if asked else 0.0


def report(tried: Sequence[Tried]) -> dict[str, Any]:
    """For machines."""
    unanswerable = [each for each in tried if each.passage is None]
    return {
        "questions": [
            {**asdict(each), "place": each.place, "first": each.place == 1, "in_three": (each.place or SHOWN + 1) <= 3}
            for each in tried
        ],
        "recall_at_1": round(recall(tried, 1), 4),
        "recall_at_3": round(recall(tried, 3), 4),
        "right_and_sure": sum(each.place == 1 and each.answers for each in tried),
        "wrong_but_sure": sum(each.place != 1 and each.answers for each in tried if each.passage is not None),
        "without_answer": len(unanswerable),
        "without_answer_told_so": sum(not each.answers for each in unanswerable),
    }


def as_text(case: Case, tried: Sequence[Tried]) -> str:
    """For people."""
    lines = []
    for each in tried:
        if each.passage is None:
            verdict = "WRONGLY ANSWERED" if each.answers else "not known, and said so"
        elif each.place is None or each.place > SHOWN:
            verdict = "MISSED"
        else:
            verdict = "first" if each.place == 1 else f"in the first {SHOWN}: {each.place}"
            verdict += "" if each.answers else " (unsure: the caller is told that it is not known)"
        lines.append(f"{each.q}  [{verdict}, {each.milliseconds:.0f} ms]")
        for number, score in list(zip(each.found, each.scores, strict=True))[:SHOWN]:
            mark = "✓" if number == each.passage else " "
            lines.append(f"  {mark} {score:.2f}  {number:>3}  {case.passages[number].text}")
    told = report(tried)
    asked = sum(each.passage is not None for each in tried)
    lines.append(f"recall@1 {told['recall_at_1']:.0%}, recall@3 {told['recall_at_3']:.0%} of {asked} questions")
    if told["without_answer"]:
        lines.append(f"without an answer: {told['without_answer_told_so']} of {told['without_answer']} told so")
    return "\n".join(lines)
