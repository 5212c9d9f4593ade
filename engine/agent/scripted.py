"""A chat model without a model, for tests and benchmarks: plausible sentences of a set length at a set pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from engine.agent.ports import ChatDelta, ChatDone, ChatRequest, TextDelta, TokensTold

_OPENINGS: Final = (
    "We have four summer tyres in that size and they can be ready at our shop in the centre of town",
    "Your order left the warehouse this morning and should reach the pickup point near you before the end of the week",
    "The next free fitting slot is on Tuesday at half past ten and it takes about forty minutes for four wheels",
    "I can read the whole order back to you once more before we place it and send you these winter tyres",
    "That model comes with a quiet tread and a two year warranty so most of our customers choose it for family cars",
)
_MORE: Final = "and our people at the shop are glad to help you with anything else that you may need today"


class ScriptedModel:
    """``ChatModel``: after ``first_token_seconds`` the first word, then ``tokens_per_second`` words.

    An answer is one sentence of exactly ``reply_words`` words, without a comma, with a full stop; which one depends on
    the number of user messages alone, so that a repeated request gets the same answer and the next turn another.
    """

    def __init__(
        self, *, first_token_seconds: float = 0.2, tokens_per_second: float = 50, reply_words: int = 10
    ) -> None:
        if tokens_per_second <= 0 or reply_words < 1:
            raise ValueError("a scripted answer has at least one word and a pace")
        self._first = first_token_seconds
        self._pause = 1 / tokens_per_second
        self._words = reply_words

    async def start(self) -> None:
        """Nothing to load."""

    async def check_health(self) -> None:
        """Always well."""

    async def chat(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        turns = sum(message.role == "user" for message in request.messages)
        words = self.reply(turns).split(" ")
        heard = sum(len(message.content.split()) for message in request.messages)
        yield TokensTold(input_tokens=heard)
        loop = asyncio.get_running_loop()
        due = loop.time() + self._first
        for place, word in enumerate(words):
            await asyncio.sleep(due - loop.time())  # against the clock: what a sleep is late by does not add up
            due += self._pause
            yield TextDelta(f" {word}" if place else word)
        yield ChatDone("stop", input_tokens=heard, output_tokens=len(words))

    async def close(self) -> None:
        """Nothing to let go of."""

    def reply(self, turns: int) -> str:
        """The answer to the conversation's ``turns``-th user message."""
        words = _OPENINGS[turns % len(_OPENINGS)].split()
        while len(words) < self._words:
            words.extend(_MORE.split())
        return " ".join(words[: self._words]) + "."
