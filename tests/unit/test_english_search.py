"""The second model, for English alone: its pieces of words, its vectors, when it is used, and what it adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from engine.knowledge.meaning import DIMENSIONS
from engine.knowledge.nearness import Nearness, parts, where_each_starts
from engine.knowledge.port import Passage
from engine.knowledge.ranking import Space
from engine.knowledge.search import MeaningKnowledge
from engine.knowledge.tongue import is_english
from engine.knowledge.wordpiece import WordPieces
from tests.word_meaning import WordMeaning

if TYPE_CHECKING:
    from engine.knowledge.meaning import Matrix

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "run", "##ning", "flat", "-", "cafe", "?", "1", "##6"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("Run-flat?", ["run", "-", "flat", "?"]),
        ("RUNNING", ["run", "##ning"]),
        ("café 16", ["cafe", "1", "##6"]),
        ("runner", ["[UNK]"]),
        ("run" * 40, ["[UNK]"]),
    ],
)
def test_words_are_split_into_the_longest_known_pieces(text: str, pieces: list[str]) -> None:
    numbers = WordPieces(VOCABULARY).of(text, 20)
    assert [VOCABULARY[number] for number in numbers] == ["[CLS]", *pieces, "[SEP]"]


def test_a_long_text_is_cut_and_still_ended() -> None:
    assert WordPieces(VOCABULARY).of("run " * 50, 6) == [2, 4, 4, 4, 4, 3]


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("When do you close?", True),
        ("opening hours", True),
        ("Is the café open?", True),
        ("Wie kann ich kündigen?", False),
        ("Mein Datenvolumen ist aufgebraucht.", False),
        ("Сколько стоит шиномонтаж?", False),
        ("Яка у вас адреса?", False),
        ("Öffnungszeiten", False),
        ("Czy mogę to zmienić?", False),
        ("205/55 16", False),
        ("", False),
    ],
)
def test_english_is_told_from_other_languages(text: str, english: bool) -> None:
    assert is_english(text) == english


def test_a_passage_is_near_by_its_whole_and_by_its_nearest_part() -> None:
    passage = Passage("a", "Bread is sold until six, on Sundays until eleven; cakes to order.", ("late bread",))
    assert parts(passage) == [
        passage.text,
        "Bread is sold until six",
        "on Sundays until eleven",
        "cakes to order",
        "late bread",
    ]
    assert where_each_starts([["a", "b"], ["c"], ["d", "e", "f"]]) == (0, 2, 3)
    vectors = np.eye(3, dtype=np.float32)
    near = Nearness(vectors, (0, 2), vectors[1:2])
    assert near.scores(vectors[1]).tolist() == pytest.approx([0.8, 0.0])
    assert near.scores(vectors[2]).tolist() == pytest.approx([0.0, 1.6])
    assert near.off_topic(vectors[1]) == 1.0
    assert Nearness(vectors, (0, 2), vectors[:0]).off_topic(vectors[1]) == 0.0


class EnglishToo(WordMeaning):
    """Counts what the second model is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.english_embedded: list[str] = []

    @property
    def knows_english(self) -> bool:
        return True

    async def english(self, texts: Sequence[str]) -> Matrix:
        self.english_embedded += texts
        return self._vectors(texts)


PASSAGES = (
    Passage("dogs", "Dogs are welcome in the yard."),
    Passage("tea", "The tea is brewed for you at the table."),
)


async def test_only_english_questions_ask_the_second_model() -> None:
    meaning = EnglishToo()
    space = Space(meaning)
    await space.open()
    base = MeaningKnowledge(space, PASSAGES)
    await base.open()
    meaning.english_embedded.clear()
    assert (await base.search("Who brews the tea?"))[0].id == "tea"
    assert meaning.english_embedded == ["Who brews the tea?"]
    await base.search("Wann haben Sie geöffnet?")
    assert meaning.english_embedded == ["Who brews the tea?"]


async def test_passages_of_another_language_are_left_to_the_first_model() -> None:
    space = Space(EnglishToo())
    await space.open()
    assert await space.nearness([Passage("a", "Wir haben bis sieben Uhr geöffnet.")]) is None
    assert await space.nearness([]) is None


async def test_a_sentence_is_embedded_once() -> None:
    meaning = EnglishToo()
    space = Space(meaning)
    await space.open()
    first = await space.nearness(PASSAGES, ["Tell me a joke."])
    known = len(meaning.english_embedded)
    second = await space.nearness(PASSAGES[:1], ["Tell me a joke."])
    assert first is not None
    assert second is not None
    assert len(meaning.english_embedded) == known
    assert np.array_equal(second.vectors[0], first.vectors[0])


async def test_what_is_nearer_to_something_off_topic_is_less_sure() -> None:
    space = Space(EnglishToo())
    await space.open()
    plain, warned = (
        MeaningKnowledge(space, PASSAGES),
        MeaningKnowledge(space, PASSAGES, ["Will you paint the tea pot?"]),
    )
    await plain.open()
    await warned.open()
    asked = "Will you paint the tea pot?"
    assert (await warned.search(asked))[0].score < (await plain.search(asked))[0].score


@pytest.mark.embedded
def test_the_vectors_are_those_the_model_is_known_for() -> None:
    """The example of the model's own page."""
    from engine.knowledge.english import EnglishModel  # noqa: PLC0415 - only where it is installed

    model = EnglishModel()
    (one,) = model.embed(["That is a happy person"])
    others = model.embed(["That is a happy dog", "That is a very happy person", "Today is a sunny day"])
    assert (others @ one).tolist() == pytest.approx([0.695, 0.943, 0.257], abs=0.002)
    assert model.embed([]).shape == (0, DIMENSIONS)
    assert model.name.startswith("MiniLM ")
