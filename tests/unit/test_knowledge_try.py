"""``trunkline knowledge try``: what it reads, what it counts, what it prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.errors import ConfigurationError
from engine.knowledge.port import Hit, Passage
from ops import cli
from ops.knowledge_try import Case, Question, Tried, as_text, ask, read_case, recall, report

runner = CliRunner()
PASSAGES = ["Dogs are welcome.", "Breakfast is served from seven.", "The pool is closed."]


def written(folder: Path, content: object) -> Path:
    file = folder / "knowledge.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_words_find_words(tmp_path: Path) -> None:
    questions = [{"q": "When is breakfast served?", "passage": 1}, {"q": "Is there a sauna?", "passage": None}]
    file = written(tmp_path, {"passages": PASSAGES, "questions": questions})
    shown = runner.invoke(cli.app, ["knowledge", "try", str(file), "--words", "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.stdout)
    assert told["recall_at_1"] == told["recall_at_3"] == 1.0
    assert told["questions"][0]["found"] == [1]
    assert told["questions"][0]["first"]
    assert (told["without_answer"], told["without_answer_told_so"]) == (1, 1)


def tried(passage: int | None, *found: int, sure: bool = True) -> Tried:
    return Tried("?", passage, found, tuple(0.9 - 0.1 * n for n in range(len(found))), sure, 1.0)


def test_recall_counts_questions_that_have_an_answer() -> None:
    all_tried = [tried(0, 0, 1, 2), tried(2, 0, 1, 2), tried(1), tried(None, 0)]
    assert recall(all_tried, 1) == pytest.approx(1 / 3)
    assert recall(all_tried, 3) == pytest.approx(2 / 3)
    assert recall([], 1) == 0.0
    told = report(all_tried)
    assert told["right_and_sure"] == 1
    assert told["wrong_but_sure"] == 2
    assert (told["without_answer"], told["without_answer_told_so"]) == (1, 0)
    assert [each["in_three"] for each in told["questions"]] == [True, True, False, False]


def test_the_text_tells_each_verdict(tmp_path: Path) -> None:
    case = read_case(written(tmp_path, {"passages": PASSAGES, "questions": []}))
    text = as_text(
        case, [tried(0, 0), tried(1, 0, 1, sure=False), tried(2), tried(None, 0), tried(None, 0, sure=False)]
    )
    for verdict in ("[first,", "in the first 3: 2 (unsure", "[MISSED", "[WRONGLY ANSWERED", "[not known, and said so"):
        assert verdict in text
    assert text.splitlines()[-2:] == ["recall@1 33%, recall@3 67% of 3 questions", "without an answer: 1 of 2 told so"]


async def test_every_passage_is_asked_for() -> None:
    class Base:
        async def search(self, query: str, limit: int = 3) -> Sequence[Hit]:
            assert limit == 3
            return [Hit("2", query, 0.7), Hit("0", query, 0.2)]

        async def close(self) -> None:
            """Nothing."""

    case = Case(read_passages(3), (Question("why", 0),))
    (one,) = await ask(Base(), case)
    assert (one.found, one.place, one.answers) == ((2, 0), 2, True)


def read_passages(number: int) -> tuple[Passage, ...]:
    return tuple(Passage(str(n), f"text {n}") for n in range(number))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "expected {"),
        ({"passages": []}, "expected {"),
        ({"passages": [""], "questions": []}, r"passages\.0: expected a text"),
        ({"passages": [{"text": "a", "asks": "b"}], "questions": []}, r"passages\.0\.asks"),
        ({"passages": ["a"], "questions": [{"q": " "}]}, r"questions\.0: expected"),
        ({"passages": ["a"], "questions": [{"q": "b", "passage": 1}]}, r"questions\.0\.passage: expected 0 to 0"),
        ({"passages": ["a"], "questions": [{"q": "b", "passage": True}]}, r"questions\.0\.passage"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: object, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        read_case(written(tmp_path, content))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_case(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ConfigurationError, match="not JSON"):
        read_case(tmp_path / "bad.json")
