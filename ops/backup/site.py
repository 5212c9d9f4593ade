"""What every part of a backup works with: the database, the storage, the key, the clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config import Settings
from ops.backup.catalogue import Part
from ops.backup.database import Server
from ops.backup.errors import Damaged, RepositoryError
from ops.backup.keys import Keyring, load_keys
from ops.backup.leftovers import marked_as_ours, sweep
from ops.backup.outputs import Output, packed
from ops.backup.repository import Repository, open_repository
from ops.backup.sealing import Key, opened, sealed
from ops.backup.streams import Meter, Size, compressed, decompressed, read_ahead

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Site:
    """Of one installation."""

    settings: Settings
    repository: Repository
    keys: Keyring
    wall: Callable[[], float]
    """Seconds since 1970-01-01 UTC."""

    @classmethod
    def of(cls, settings: Settings, wall: Callable[[], float]) -> Site:
        """As the settings say. Raises ConfigurationError."""
        return cls(settings, open_repository(settings), load_keys(settings), wall)

    @property
    def key(self) -> Key:
        """What closes all that is new."""
        return self.keys.current

    async def keep(self, name: str, source: AsyncIterable[bytes]) -> Part:
        """Compress, close and keep ``source``."""
        plain = Size()
        read = read_ahead(plain.through(source))
        async with contextlib.aclosing(read):
            return await self._keep(name, compressed(read, self.settings.backup.level), plain)

    async def keep_output(
        self, name: str, output: Output, seen: Callable[[memoryview], object] = lambda _: None
    ) -> Part:
        """The same of what a program writes; ``seen`` is shown each piece of it. Raises ToolFailed."""
        plain = Size()
        return await self._keep(name, packed(output, self.settings.backup.level, seen, plain), plain)

    async def _keep(self, name: str, packing: AsyncGenerator[bytes, None], plain: Size) -> Part:
        kept = Meter()
        ahead = read_ahead(packing)
        async with contextlib.aclosing(ahead):
            await self.repository.put(name, sealed(name, ahead, self.key, kept.feed))
        return Part(kept.bytes, kept.sha256, plain.bytes)

    async def fetch(self, name: str, part: Part | None = None) -> AsyncGenerator[bytes, None]:
        """What was kept under ``name``. Raises Damaged where it is not as ``part`` recorded it."""
        kept, plain = Meter(), 0
        source = self.repository.get(name)
        read = read_ahead(source)
        unpacked = read_ahead(decompressed(opened(name, read, self.keys, kept.feed), name))
        async with contextlib.aclosing(source), contextlib.aclosing(read), contextlib.aclosing(unpacked):
            async for piece in unpacked:
                plain += len(piece)
                yield piece
        if part is not None and (kept.sha256, plain) != (part.sha256, part.plain_bytes):
            raise Damaged(f"{name} is not what was recorded: its digest or its size differs")

    async def tidy(self) -> None:
        """Remove what runs that were killed left on this machine and, half-written, in the storage; what another run
        uses stays. A storage that does not let itself be looked through is told of in the log, and stops no job.
        """
        await asyncio.to_thread(sweep, self.settings)
        try:
            names = await self.repository.sweep(self.wall())
        except RepositoryError as error:
            _log.warning("what killed runs left half-written is not looked for this time: %s", error)
            return
        for name in names:
            _log.warning("removed %s from %s: a run that was killed left it half-written", name, self.repository.place)

    def workshop(self, purpose: str) -> contextlib.AbstractAsyncContextManager[Path]:
        """As ``workshop`` below."""
        return workshop(self.settings, purpose)


@contextlib.asynccontextmanager
async def workshop(settings: Settings, purpose: str) -> AsyncIterator[Path]:
    """An empty folder that is gone when the block is left."""
    parent = settings.backup.work_dir
    if parent is not None:
        await asyncio.to_thread(parent.mkdir, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"trunkline-{purpose}-", dir=parent))
    marking = contextlib.ExitStack()
    try:
        marking.enter_context(marked_as_ours(folder))
        await asyncio.to_thread(folder.chmod, 0o711)  # for a server of another user; what is inside is closed to others
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        marking.close()


def wal_prefix(server: Server | str) -> str:
    """Where the log of a cluster is kept."""
    return f"wal/{server if isinstance(server, str) else server.system_id}/"
