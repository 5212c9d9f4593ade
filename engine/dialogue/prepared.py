"""Speech that was made beforehand: the fixed sentences of a playbook.

They are there without a replica, so that the greeting comes at once and an apology comes when nothing else works.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping

from engine.agent.ports import Phrases
from engine.dialogue.clauses import ClauseSplitter
from engine.speech.ports import SpeechSynthesizer, SynthesisRequest


def pieces_of(text: str, first_words: int) -> list[str]:
    """``text`` cut as an answer would be."""
    splitter = ClauseSplitter(first_words)
    return splitter.feed(text) + splitter.flush()


def pieces_to_prepare(phrases: Phrases, first_words: int) -> list[str]:
    """All pieces of the fixed sentences, each once."""
    texts: Iterable[str] = (
        phrases.greeting,
        phrases.still_there,
        phrases.goodbye_silence,
        phrases.goodbye,
        phrases.apology_transfer,
        phrases.transfer,
        phrases.too_long,
        phrases.not_heard,
        phrases.still_working,
        *phrases.fillers,
        *phrases.tool_fillers.values(),
    )
    return list(dict.fromkeys(piece for text in texts for piece in pieces_of(text, first_words)))


class PreparedSynthesizer:
    """Another synthesiser with some texts known beforehand. Meets the port SpeechSynthesizer."""

    def __init__(self, inner: SpeechSynthesizer, prepared: Mapping[str, bytes]) -> None:
        """``prepared``: spoken text → engine audio."""
        self._inner = inner
        self._prepared = prepared

    async def start(self) -> None:
        await self._inner.start()

    async def check_health(self) -> None:
        await self._inner.check_health()

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        pcm = self._prepared.get(request.text)
        if pcm is not None:
            yield pcm
            return
        async for chunk in self._inner.synthesize(request):
            yield chunk

    async def close(self) -> None:
        await self._inner.close()
