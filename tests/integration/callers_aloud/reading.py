"""What a caller heard, in words, by the embedded recogniser."""

from __future__ import annotations

from collections.abc import Iterator

from engine.audio.format import SAMPLE_BYTES, SAMPLE_RATE
from engine.speech.ports import RecognitionOptions
from engine.speech.providers.moonshine import MoonshineRecognizer
from ops.heard import voiced_span

_BLOCK = SAMPLE_RATE // 5 * SAMPLE_BYTES
_LONGEST = 12 * SAMPLE_RATE * SAMPLE_BYTES


class Reader:
    """Reads audio by the sentence."""

    def __init__(self) -> None:
        self._recognizer = MoonshineRecognizer(workers=2)

    async def start(self) -> None:
        await self._recognizer.start()

    async def close(self) -> None:
        await self._recognizer.close()

    async def read(self, pcm: bytes) -> str:
        """Lower-case words of all that sounds in ``pcm``."""
        texts: list[str] = []
        async with self._recognizer.open(RecognitionOptions("reader", partials=False)) as session:
            results = session.results()
            for number, piece in enumerate(_sentences(pcm), 1):
                await session.begin(number)
                await session.audio(piece)
                await session.flush(number)
                async for transcript in results:
                    if transcript.flush == number:
                        texts.append(transcript.text)
                        break
        return " ".join(texts).lower()


def _sentences(pcm: bytes) -> Iterator[bytes]:
    """Stretches of sound, parted where there is none for a fifth of a second and a sentence's worth is there."""
    piece = b""
    for start in range(0, len(pcm), _BLOCK):
        block = pcm[start : start + _BLOCK]
        silent = voiced_span(block) is None
        if not (silent and not piece):
            piece += block
        if piece and ((silent and len(piece) > 2 * _BLOCK) or len(piece) >= _LONGEST):
            yield piece
            piece = b""
    if piece:
        yield piece
