"""What the chat models of a call have used, in tokens, as far as their providers say it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.agent.ports import ChatDone, TokensTold


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Requests to models, and their tokens."""

    asked: int = 0
    """Requests that a provider took up, those that failed or were dropped included."""
    unknown: int = 0
    """Of these: how many whose provider did not tell all of its tokens."""
    input_tokens: int = 0
    """As far as they were told."""
    output_tokens: int = 0

    def __bool__(self) -> bool:
        return self.asked > 0


class AskedModel:
    """One request of ours, which may be tried at several providers one after the other."""

    def __init__(self, tally: ModelTally) -> None:
        self._tally = tally
        self._running: TokensTold | None = TokensTold()

    def told(self, told: TokensTold) -> None:
        """The provider says what it has used so far; or a try has come to nothing, and another begins."""
        if told.in_vain:
            self._count(told)
            self._running = TokensTold()
        else:
            self._running = told

    def done(self, done: ChatDone) -> None:
        """The answer is complete."""
        self._running = None
        self._tally.add(done.input_tokens, done.output_tokens)

    def over(self) -> None:
        """Nothing more comes of it: it is complete, has failed or was dropped. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            self._count(running)

    def _count(self, told: TokensTold) -> None:
        if (told.input_tokens, told.output_tokens) != (0, 0):  # that is one which no provider took up
            self._tally.add(told.input_tokens, told.output_tokens)


class ModelTally:
    """Counts for one call. What is running is counted when it is over."""

    def __init__(self) -> None:
        self._use = ModelUse()

    def asked(self) -> AskedModel:
        """A model is asked now."""
        return AskedModel(self)

    def add(self, input_tokens: int | None, output_tokens: int | None) -> None:
        """One request; None: its provider has not told."""
        use = self._use
        self._use = ModelUse(
            use.asked + 1,
            use.unknown + (input_tokens is None or output_tokens is None),
            use.input_tokens + (input_tokens or 0),
            use.output_tokens + (output_tokens or 0),
        )

    def take(self) -> ModelUse:
        """What was counted since this was last asked."""
        use, self._use = self._use, ModelUse()
        return use
