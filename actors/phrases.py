"""The fixed sentences of a playbook as audio, made once for a node and shared by its calls.

One file: a line of JSON that says which text lies where, then engine audio. Calls map it, so all of them share its
pages.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from engine.errors import ProtocolError
from engine.speech.ports import SpeechSynthesizer, SynthesisRequest

_FORMAT = 1


class PreparedAudio(Mapping[str, bytes]):
    """Spoken text → engine audio, from a file that ``prepare`` made."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, or ProtocolError where the file is something else."""
        with path.open("rb") as file:
            header = file.readline(1 << 20)
            self._start = len(header)
            try:
                self._places: dict[str, tuple[int, int]] = {
                    text: (offset, size) for text, offset, size in json.loads(header)
                }
            except (ValueError, TypeError) as error:
                raise ProtocolError(f"{path} does not hold prepared sentences") from error
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __getitem__(self, text: str) -> bytes:
        offset, size = self._places[text]
        return self._map[self._start + offset : self._start + offset + size]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


async def prepare(
    pieces: list[str],
    *,
    spell: Callable[[str], str],
    request: SynthesisRequest,
    identity: str,
    synthesizer: SpeechSynthesizer,
    folder: Path,
    anew: bool = False,
) -> Path:
    """The file with the audio of ``pieces``, made where it is not there yet, or ``anew`` in any case.

    ``request`` says voice, language and speed; ``identity`` names the synthesiser: another one makes another file.
    Raises SynthesisError, or OSError where the folder cannot be written.
    """
    texts = list(dict.fromkeys(spell(piece) for piece in pieces))
    key = json.dumps([_FORMAT, identity, request.voice, request.language, request.speed, texts])
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.phrases"
    if path.exists() and not anew:
        return path
    places: list[tuple[str, int, int]] = []
    audio = bytearray()
    for text in texts:
        start = len(audio)
        asked = replace(request, text=text)
        async for chunk in synthesizer.synthesize(asked):
            audio += chunk
        places.append((text, start, len(audio) - start))
    await asyncio.to_thread(_write, path, json.dumps(places).encode() + b"\n" + audio)
    return path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
