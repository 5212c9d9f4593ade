"""Sentences that were spoken before are not synthesised again.

What an agent says is much the same in every call, and synthesis is the dearest part of an embedded call: audio is kept
in memory and on disk, by provider, voice, language, speed and text.

On disk goes only what is not one caller's own: what was asked for without a call (prompts made beforehand) or by a
second call, and in either case nothing with a name, a telephone number or anything else of a person in it. A sentence
with somebody's order in it stays in memory and is soon displaced. Files are named by a digest and hold sound alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import struct
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.errors import SynthesisError
from engine.privacy import cacheable
from engine.speech.ports import SpeechSynthesizer, SynthesisRequest

log = logging.getLogger(__name__)

DISK_BYTES: Final = 256 * 1024 * 1024
"""Default bound of the directory; half an hour of speech is 29 MB."""

_PENDING_WRITES: Final = 32
"""Files waiting to be written, at most; what comes on top is not kept on disk this time."""

_SUFFIX: Final = ".speech"
_MAGIC: Final = b"TLS1"
_HEADER: Final = struct.Struct("<4sII")
"""Magic, bytes of audio, CRC-32 of the audio; the engine audio follows."""


def stored(directory: Path, identity: str, request: SynthesisRequest) -> bytes | None:
    """The whole audio of ``request`` if the directory holds it undamaged. Reads one file; blocks for that."""
    return _read(_path(directory, _key(identity, request)))


class CachedSynthesizer:
    """A synthesiser (``SpeechSynthesizer``) that asks ``inner`` only for what it has not heard yet.

    ``identity`` names provider, model and version: change it and nothing old is used. ``directory`` is where audio is
    kept, shared between processes, never more than about ``disk_bytes``; None, or one that cannot be written, means
    memory only. ``memory_bytes`` bounds the audio in memory. ``may_be_kept``: whether a sentence may go on disk.

    Requests for the same sentence at the same time are one request to ``inner``, which goes on until the last of those
    who wait has gone.
    """

    def __init__(
        self,
        inner: SpeechSynthesizer,
        *,
        identity: str,
        directory: Path | None,
        memory_bytes: int,
        disk_bytes: int = DISK_BYTES,
        may_be_kept: Callable[[str], bool] = cacheable,
    ) -> None:
        self._may_be_kept = may_be_kept
        self._inner = inner
        self._identity = identity
        self._memory = _Memory(memory_bytes)
        self._disk = _Disk(directory, disk_bytes) if directory is not None else None
        self._flights: dict[str, _Flight] = {}
        self._writes: set[asyncio.Task[None]] = set()
        self.hits = 0
        """Requests answered without ``inner``."""
        self.misses = 0

    async def start(self) -> None:
        await self._inner.start()
        if self._disk is not None:
            await asyncio.to_thread(self._disk.open)

    async def check_health(self) -> None:
        """Of ``inner``: a cached sentence says nothing about it."""
        await self._inner.check_health()

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[bytes]:
        key = _key(self._identity, request)
        known = self._memory.get(key)
        flight = self._flights.get(key)
        if known is None and flight is None and self._disk is not None:
            audio = await asyncio.to_thread(self._disk.read, key)
            if audio is not None:
                known = self._memory.put(key, _Known(audio, request.call_id, on_disk=True))
            else:  # somebody may have come first while the disk was read
                known, flight = self._memory.get(key), self._flights.get(key)
        if known is not None:
            self.hits += 1
            if not known.on_disk and known.call_id != request.call_id:
                self._keep(key, known, request.text)
            yield known.audio
            return
        if flight is None:
            self.misses += 1
            flight = _Flight(key, request.call_id)
            flight.task = asyncio.create_task(self._fly(flight, request))
            self._flights[key] = flight
        else:
            self.hits += 1
            flight.shared = flight.shared or flight.call_id != request.call_id
        async with contextlib.aclosing(self._follow(flight)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        if self._writes:
            await asyncio.wait(self._writes, timeout=5)
        await self._inner.close()

    async def _follow(self, flight: _Flight) -> AsyncGenerator[bytes, None]:
        flight.followers += 1
        place = 0
        try:
            while True:
                while place < len(flight.chunks):
                    place += 1
                    yield flight.chunks[place - 1]
                if flight.error is not None:
                    raise SynthesisError(str(flight.error)) from flight.error
                if flight.done:
                    return
                progress = flight.progress
                await progress.wait()
        finally:
            flight.followers -= 1
            if not flight.followers and not flight.done and flight.task is not None:
                # Whoever asks from now on starts anew; nobody may board a flight that is being cancelled.
                self._remove(flight)
                flight.task.cancel()

    async def _fly(self, flight: _Flight, request: SynthesisRequest) -> None:
        try:
            async for chunk in self._inner.synthesize(request):
                flight.add(chunk)
            audio = b"".join(flight.chunks)
            if audio:
                known = self._memory.put(flight.key, _Known(audio, flight.call_id))
                if not flight.call_id or flight.shared:
                    self._keep(flight.key, known, request.text)
        except asyncio.CancelledError:
            flight.error = SynthesisError("synthesis was stopped")
            raise
        except Exception as error:  # whatever it is, those who wait must hear of it
            flight.error = error
        finally:
            flight.done = True
            self._remove(flight)
            flight.progress.set()

    def _remove(self, flight: _Flight) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _keep(self, key: str, known: _Known, text: str) -> None:
        """Write it to disk, if it may be; asked once for each sentence."""
        known.on_disk = True
        if self._disk is None or len(self._writes) >= _PENDING_WRITES or not self._may_be_kept(text):
            return
        task = asyncio.create_task(asyncio.to_thread(self._disk.write, key, known.audio))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


@dataclass(slots=True)
class _Known:
    audio: bytes
    call_id: str
    """Who asked first."""
    on_disk: bool = False


@dataclass(slots=True, eq=False)
class _Flight:
    """One request to the inner synthesiser and those who follow it."""

    key: str
    call_id: str
    shared: bool = False
    """Asked for by a second call."""
    chunks: list[bytes] = field(default_factory=list)
    progress: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    followers: int = 0
    done: bool = False
    error: Exception | None = None

    def add(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.progress.set()
        self.progress = asyncio.Event()


class _Memory:
    """What was spoken lately, the least lately used going first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._entries: OrderedDict[str, _Known] = OrderedDict()

    def get(self, key: str) -> _Known | None:
        known = self._entries.get(key)
        if known is not None:
            self._entries.move_to_end(key)
        return known

    def put(self, key: str, known: _Known) -> _Known:
        if len(known.audio) > self._limit:
            return known
        old = self._entries.pop(key, None)
        self._bytes += len(known.audio) - (len(old.audio) if old is not None else 0)
        self._entries[key] = known
        while self._bytes > self._limit:
            _, displaced = self._entries.popitem(last=False)
            self._bytes -= len(displaced.audio)
        return known


class _Disk:
    """Files of audio. Its methods block and may run in several threads, and other processes write there too."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._bytes = 0
        self._writable = True

    def open(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)
            return
        self._trim()

    def read(self, key: str) -> bytes | None:
        path = _path(self._directory, key)
        audio = _read(path)
        if audio is not None:
            with contextlib.suppress(OSError):  # what is used is not the oldest
                os.utime(path)
        return audio

    def write(self, key: str, audio: bytes) -> None:
        if not self._writable:
            return
        partial = ""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=self._directory, suffix=".partial")
            with os.fdopen(descriptor, "wb") as file:
                file.write(_HEADER.pack(_MAGIC, len(audio), zlib.crc32(audio)))
                file.write(audio)
            # Readable for the processes of calls, which may run as somebody else.
            Path(partial).chmod(0o644)
            Path(partial).replace(_path(self._directory, key))
        except OSError as error:
            if partial:
                with contextlib.suppress(OSError):
                    Path(partial).unlink()
            self._give_up(error)
            return
        self._bytes += _HEADER.size + len(audio)
        if self._bytes > self._limit:
            self._trim()

    def _trim(self) -> None:
        """Count anew; where there is too much, delete the oldest until a tenth is free."""
        files: list[tuple[float, int, Path]] = []
        try:
            for path in self._directory.iterdir():
                if path.suffix in {_SUFFIX, ".partial"}:
                    with contextlib.suppress(FileNotFoundError):
                        status = path.stat()
                        files.append((status.st_mtime, status.st_size, path))
        except OSError as error:
            self._give_up(error)
            return
        total = sum(size for _, size, _ in files)
        if total > self._limit:
            for _, size, path in sorted(files):
                if total <= self._limit * 9 // 10:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size
        self._bytes = total

    def _give_up(self, error: OSError) -> None:
        if self._writable:
            log.warning("speech cache %s: %s; going on in memory", self._directory, error.strerror)
        self._writable = False


def _key(identity: str, request: SynthesisRequest) -> str:
    name = json.dumps([identity, request.voice, request.language, round(request.speed, 3), request.text])
    return hashlib.sha256(name.encode()).hexdigest()


def _path(directory: Path, key: str) -> Path:
    return directory / (key + _SUFFIX)


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if len(content) < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack_from(content)
    audio = content[_HEADER.size :]
    whole = magic == _MAGIC and len(audio) == length and zlib.crc32(audio) == checksum
    return audio if whole else None
