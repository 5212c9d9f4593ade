"""Hints: which tokens are favoured, and when."""

from __future__ import annotations

import numpy as np
import pytest

from engine.speech.providers.hints import BEGIN_BONUS, CONTINUE_BONUS, MOST_HINTS, HintTree

PIECES = ["▁Good", "year", "▁No", "kian", "k", "▁winter", "▁tyres", "s", "▁Yoko", "ham", "a", "▁"]
TOKENS = {piece.encode(): token for token, piece in enumerate(PIECES, 300)}
NUMBER = {piece: token for token, piece in enumerate(PIECES, 300)}


def bonuses(tree: HintTree, said: list[str]) -> dict[str, float]:
    begun: list[int] = []
    for piece in said:
        begun = tree.advance(begun, NUMBER[piece])
    favoured = tree.favour(np.zeros(400, np.float32), begun)
    return {piece: float(favoured[token]) for piece, token in NUMBER.items() if favoured[token]}


def test_the_beginning_of_every_hint_is_favoured_a_little() -> None:
    tree = HintTree(["Goodyear", "Nokian"], TOKENS)
    assert bonuses(tree, []) == {"▁Good": BEGIN_BONUS, "▁No": BEGIN_BONUS}


def test_a_hint_that_was_begun_is_favoured_more() -> None:
    tree = HintTree(["Goodyear", "Yokohama"], TOKENS)
    assert bonuses(tree, ["▁Yoko"])["ham"] == CONTINUE_BONUS
    assert bonuses(tree, ["▁Yoko", "ham"])["a"] == CONTINUE_BONUS
    assert "ham" not in bonuses(tree, ["▁Yoko", "▁No"])
    assert "year" not in bonuses(tree, ["▁Yoko"])


def test_a_finished_hint_favours_nothing_more() -> None:
    tree = HintTree(["Goodyear"], TOKENS)
    assert bonuses(tree, ["▁Good", "year"]) == {"▁Good": BEGIN_BONUS}


def test_hints_of_several_words_and_with_a_common_beginning() -> None:
    tree = HintTree(["winter tyres", "winter"], TOKENS)
    assert bonuses(tree, ["▁winter"]) == {"▁winter": BEGIN_BONUS, "▁tyres": CONTINUE_BONUS}


def test_the_scores_given_are_left_as_they_are() -> None:
    scores = np.zeros(400, np.float32)
    HintTree(["Goodyear"], TOKENS).favour(scores, [])
    assert not scores.any()


@pytest.mark.parametrize("hints", [[], [""], ["  "], ["日本"], ["Q"]])
def test_what_cannot_be_spelled_favours_nothing(hints: list[str]) -> None:
    assert bonuses(HintTree(hints, TOKENS), []) == {}


def test_too_many_hints_are_cut_off() -> None:
    tree = HintTree(["Goodyear"] * MOST_HINTS + ["Nokian"], TOKENS)
    assert "▁No" not in bonuses(tree, [])
