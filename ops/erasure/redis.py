"""Erasure from Redis: sessions of the caller's calls, and what the stream of events still has of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import redis.asyncio
from redis.exceptions import RedisError

from ops.erasure.places import PlaceUnreached, Wanted

SESSIONS: Final = "call_session:"
STREAMS: Final = ("calls:events",)
PAGE: Final = 1_000
WAIT_SECONDS: Final = 5.0


async def erase_redis(url: str, wanted: Wanted, *, dry_run: bool = False) -> dict[str, int]:
    """Sessions and entries of streams that were removed. Raises PlaceUnreached."""
    client: Any = redis.asyncio.from_url(url, socket_timeout=WAIT_SECONDS, socket_connect_timeout=WAIT_SECONDS)
    try:
        sessions = [key async for key in _sessions(client, wanted)]
        removed = 0
        for key in sessions:
            removed += 1 if dry_run else await client.unlink(key)
        entries = 0
        for stream in STREAMS:
            async for ids in _entries(client, stream, wanted):
                entries += len(ids) if dry_run else await client.xdel(stream, *ids)
    except (RedisError, OSError, TimeoutError) as error:
        raise PlaceUnreached(f"redis ({type(error).__name__})") from error
    else:
        return {"sessions": removed, "stream entries": entries}
    finally:
        await client.aclose()


async def _sessions(client: Any, wanted: Wanted) -> AsyncIterator[bytes]:
    async for key in client.scan_iter(match=f"{SESSIONS}*", count=PAGE):
        name = _text(key)
        if name.removeprefix(SESSIONS) in wanted.calls or wanted.in_text(await _value(client, key)):
            yield key


async def _value(client: Any, key: bytes) -> str:
    match _text(await client.type(key)):
        case "string":
            return _text(await client.get(key) or b"")
        case "hash":
            return _fields(await client.hgetall(key))
        case _:
            return ""


async def _entries(client: Any, stream: str, wanted: Wanted) -> AsyncIterator[list[bytes]]:
    """Ids of the entries about the caller, page by page."""
    after = "-"
    while True:
        page = await client.xrange(stream, min=after, count=PAGE)
        if not page:
            return
        ids = [entry for entry, fields in page if wanted.in_text(_fields(fields))]
        if ids:
            yield ids
        after = f"({_text(page[-1][0])}"


def _fields(fields: Mapping[bytes, bytes]) -> str:
    return "\n".join(_text(value) for value in fields.values())


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
