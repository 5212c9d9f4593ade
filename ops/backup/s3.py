"""Backups in S3-compatible storage. An object appears when its upload is completed, or not at all.

An upload that is cut off leaves parts that nobody sees and that cost money: ``sweep`` gives those up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterable
from datetime import timedelta
from typing import Any, Final

from engine.config import BackupS3Settings
from engine.errors import ConfigurationError
from ops.backup.errors import ObjectMissing, RepositoryError, RepositoryGone
from ops.backup.repository import Kept
from ops.backup.s3_uploads import Unreachable, abort_old
from ops.backup.streams import in_blocks
from ops.backup.waits import within

_log: Final = logging.getLogger(__name__)

PART_BYTES: Final = 8 << 20
"""Of an upload in parts: 10,000 of them, the most there may be, are 80 GB."""

PARTS_AT_ONCE: Final = 3
CONNECT_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 24 * 3600.0
RETRIES: Final = 4
SWEEP_WAITS: Final = 4
"""Times the longest wait for one piece: for a look at the unfinished uploads."""
AHEAD: Final = 2
"""Blocks of 1 MiB that wait for the storage."""


class S3Repository:
    """A Repository. ``url``: ``s3://BUCKET/PREFIX``."""

    def __init__(self, url: str, settings: BackupS3Settings) -> None:
        """Raises ConfigurationError where the extra is not installed."""
        try:
            import obstore  # noqa: PLC0415 - an extra
            from obstore import exceptions  # noqa: PLC0415
            from obstore.store import S3Store  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "TRUNKLINE_BACKUP_TO is `s3://…` and the package for it is missing: pip install 'trunkline[s3]'"
            ) from error
        self._library, self._faults = obstore, exceptions
        self._url = url
        self._seconds = settings.timeout_s
        self._settings = settings
        self._noted = False
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._bucket, self._prefix = bucket, prefix.strip("/")
        options: Any = {"region": settings.region}
        if settings.endpoint:
            options["endpoint"] = settings.endpoint
        if settings.access_key:
            options["access_key_id"] = settings.access_key.reveal()
            options["secret_access_key"] = settings.secret_key.reveal()
        self._store = S3Store(
            bucket,
            prefix=self._prefix or None,
            config=options,
            client_options={
                "allow_http": settings.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "read_timeout": timedelta(seconds=settings.timeout_s),
                "timeout": timedelta(seconds=LONGEST_SECONDS),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=2 * settings.timeout_s)},
        )

    @property
    def place(self) -> str:
        """Its URL; the keys are no part of it."""
        return self._url

    async def put(self, name: str, source: AsyncIterable[bytes]) -> None:
        """As the port says."""
        feed = _Feed(source)
        filling = asyncio.create_task(feed.fill())
        sending = asyncio.create_task(self._send(name, feed.pieces()))
        longest = 4 * self._seconds
        try:
            while not sending.done():
                await asyncio.wait([sending], timeout=1.0)
                if feed.fault is not None:
                    raise feed.fault
                if feed.waited() > longest and not sending.done():
                    raise RepositoryGone(f"{self.place} takes nothing for {longest:.0f} s")
            if feed.fault is not None:
                raise feed.fault
            await self._told(name, sending)
        finally:
            filling.cancel()
            sending.cancel()
            await asyncio.wait([filling])
            feed.end()
            await asyncio.wait([sending], timeout=longest)
            if sending.done() and not sending.cancelled():
                sending.exception()  # told already, or of no interest any more

    async def _send(self, name: str, pieces: AsyncGenerator[bytes, None]) -> None:
        await self._library.put_async(
            self._store, name, pieces, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )

    async def get(self, name: str) -> AsyncGenerator[bytes, None]:
        """As the port says."""
        found = await self._told(name, self._library.get_async(self._store, name))
        stream = aiter(found.stream(min_chunk_size=1 << 20))
        while True:
            try:
                piece = await self._told(name, anext(stream))
            except StopAsyncIteration:
                return
            yield bytes(piece)

    async def beginning(self, name: str, size: int) -> bytes:
        """As the port says; an object that is empty is refused by the storage, and none of ours is."""
        return bytes(await self._told(name, self._library.get_range_async(self._store, name, start=0, length=size)))

    async def listing(self, prefix: str) -> list[Kept]:
        """As the port says; ``prefix`` ends with a slash, or is empty."""
        found = []
        stream = aiter(self._library.list(self._store, prefix.rstrip("/") or None))
        while True:
            try:
                some = await self._told(prefix, anext(stream))
            except StopAsyncIteration:
                break
            found += [Kept(each["path"], each["size"], each["last_modified"].timestamp()) for each in some]
        return sorted((each for each in found if each.name.startswith(prefix)), key=lambda kept: kept.name)

    async def delete(self, name: str) -> None:
        """As the port says."""
        with contextlib.suppress(ObjectMissing):
            await self._told(name, self._library.delete_async(self._store, name))

    async def sweep(self, now: float) -> list[str]:
        """As the port says: uploads that began more than a day ago and were never completed. Where these may not be
        listed, the log says so; the bucket's own rule can do it too.
        """
        work = asyncio.to_thread(abort_old, self._bucket, self._prefix, self._settings, now)
        try:
            swept = await within(SWEEP_WAITS * self._seconds, work)
        except (Unreachable, TimeoutError) as error:
            raise RepositoryGone(
                f"{self.place} does not list its unfinished uploads ({error or 'no answer'})"
            ) from error
        if swept.note and not self._noted:
            self._noted = True
            _log.warning("%s: %s", self.place, swept.note)
        return list(swept.names)

    async def _told(self, name: str, work: Any) -> Any:
        """Its errors as ours: their text may show addresses and keys, their kind is enough."""
        try:
            return await within(4 * self._seconds, work)
        except (FileNotFoundError, self._faults.NotFoundError) as error:
            raise ObjectMissing(f"{name} is not in {self.place}") from error
        except (self._faults.PermissionDeniedError, self._faults.UnauthenticatedError) as error:
            raise RepositoryError(
                f"{self.place} refuses these keys: look at TRUNKLINE_BACKUP_S3_ACCESS_KEY and the rights of its owner"
            ) from error
        except TimeoutError as error:
            raise RepositoryGone(f"{self.place} does not answer within {4 * self._seconds:.0f} s") from error
        except (self._faults.BaseError, OSError) as error:
            raise RepositoryGone(f"{self.place} is slow, gone or broken ({type(error).__name__})") from error


class _UploadOver(Exception):
    """Ends an upload that was given up from our side."""


class _Feed:
    """Between the source of an upload and the library, whose own task asks for the pieces: it must never wait for the
    source itself, since nobody could end that wait.
    """

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._source = source
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(AHEAD)
        self._since = time.monotonic()
        self._over = False
        self.fault: Exception | None = None
        """Why the source failed."""

    def waited(self) -> float:
        """Seconds for which the storage has not asked for what is there."""
        return 0.0 if self._queue.empty() and not self._over else time.monotonic() - self._since

    async def fill(self) -> None:
        """Put the source into the queue, and its end."""
        try:
            async for block in in_blocks(self._source, 1 << 20):
                if self._queue.empty():
                    self._since = time.monotonic()
                await self._queue.put(block)
        except Exception as error:
            self.fault = error
            await self._queue.put(error)
        else:
            await self._queue.put(None)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """For the library. A source that fails fails the upload with it."""
        while (piece := await self._queue.get()) is not None:
            self._since = time.monotonic()
            if isinstance(piece, Exception):
                raise piece
            yield piece
        self._since, self._over = time.monotonic(), True

    def end(self) -> None:
        """Whoever still asks is told that it is over."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_UploadOver())
