"""Writes events to Redis for those who watch: the stream ``calls:events``, masked, and a session for each call."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import redis.asyncio
from redis.exceptions import RedisError

from engine.privacy import MaskedConversation, Masker
from engine.records.reading import Entry
from engine.records.rows import CALL
from engine.records.sink import SinkAway, SinkCounts

STREAM: Final = "calls:events"
SESSION: Final = "call_session:{}"
SESSION_SECONDS: Final = 1800
CURSOR: Final = "calls:cursor:{}"
CURSOR_SECONDS: Final = 30 * 24 * 3600
WAIT_SECONDS: Final = 5.0
MOST_CONVERSATIONS: Final = 2_000
MOST_SEEN: Final = 20_000
"""Ids of events that are remembered, since an event may stand in the outbox twice."""

_PLAIN: Final = frozenset({"type", "t", "id", "at", "state", "name", "next", "what", "turn", "ok", "seconds", "stages"})
"""Fields in which nobody's words are."""

logger = logging.getLogger(__name__)


class StreamSink:
    """A Redis or Valkey."""

    name = "redis"

    def __init__(
        self,
        url: Callable[[], str],
        *,
        most_events: int,
        masker: Callable[[], Masker] = Masker,
        erased: Callable[[str, float], bool] = lambda _caller, _began: False,
    ) -> None:
        """``url``: asked before each connection; empty while there is none. ``masker``: a new one for each call.

        ``erased``: as for the database; nothing is shown of such a call's words.
        """
        self._url = url
        self._most = most_events
        self._masker = masker
        self._erased = erased
        self._client: Any = None
        self._conversations: OrderedDict[str, MaskedConversation] = OrderedDict()
        self._noted: dict[str, int] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.counts = SinkCounts()

    async def resume(self, outbox: str, first: int) -> int:
        try:
            told = await self._open().get(CURSOR.format(outbox))
        except (RedisError, OSError, TimeoutError) as error:
            raise await self._away(error) from error
        # One that was started anew has forgotten; those who watch it have seen what was noted here.
        return max(first, int(told) if told else self._noted.get(outbox, first))

    async def write(self, outbox: str, entries: Sequence[Entry], following: int) -> None:
        fresh: dict[str, Entry] = {}
        for entry in entries:
            name = _event_id(entry) or f"#{entry.position}"
            if name not in self._seen:
                fresh.setdefault(name, entry)
        try:
            async with self._open().pipeline(transaction=True) as pipeline:
                for entry in fresh.values():
                    self._add(pipeline, entry.data)
                pipeline.set(CURSOR.format(outbox), following, ex=CURSOR_SECONDS)
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise await self._away(error) from error
        self._noted[outbox] = following
        self.counts.written += len(fresh)
        self.counts.duplicates += len(entries) - len(fresh)
        self._seen.update((name, None) for entry in fresh.values() if (name := _event_id(entry)))
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except (RedisError, OSError, TimeoutError):
                return

    def _open(self) -> Any:
        if self._client is None:
            url = self._url()
            if not url:
                raise ConnectionError("there is none yet")
            self._client = redis.asyncio.from_url(
                url, decode_responses=True, socket_timeout=WAIT_SECONDS, socket_connect_timeout=WAIT_SECONDS
            )
        return self._client

    async def _away(self, error: Exception) -> SinkAway:
        await self.close()
        return SinkAway(f"Redis takes no events now ({type(error).__name__})")

    # -- one event ----------------------------------------------------------------------------------------------------

    def _add(self, pipeline: Any, record: Mapping[str, Any]) -> None:
        call_id, event = record.get("call"), record.get("event")
        if not isinstance(call_id, str) or not isinstance(event, Mapping):
            return
        try:
            masked = self._masked(call_id, event, float(record["began"]))
        except Exception:  # one event is less than a view that stands still
            self.counts.dead += 1
            logger.exception("an event could not be masked, and is not shown")
            return
        text = json.dumps(masked, ensure_ascii=False, separators=(",", ":"), default=str)
        kind = str(event.get("type", ""))
        fields = {"call": call_id, "type": kind, "event": text}
        pipeline.xadd(STREAM, fields, maxlen=self._most, approximate=True)
        key = SESSION.format(call_id)
        session = _session(record, event)
        pipeline.hset(key, mapping=session)
        pipeline.expire(key, SESSION_SECONDS)

    def _masked(self, call_id: str, event: Mapping[str, Any], began: float) -> dict[str, Any]:
        """As everybody may see it. Words are left out where the beginning of the call, with its names, is not known."""
        conversation = self._conversations.get(call_id)
        if conversation is None:
            if event.get("type") != CALL or self._erased(str(event.get("caller_number", "")), began):
                return {name: value for name, value in event.items() if name in _PLAIN}
            conversation = self._conversations[call_id] = MaskedConversation(self._masker())
            while len(self._conversations) > MOST_CONVERSATIONS:
                self._conversations.popitem(last=False)
        self._conversations.move_to_end(call_id)
        return conversation.event(event)


def _event_id(entry: Entry) -> str:
    """Empty where it has none."""
    event = entry.data.get("event")
    return str(event.get("id", "")) if isinstance(event, Mapping) else ""


def _session(record: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, str]:
    """What an event tells of where its call stands; nobody's words and no number."""
    told = {"event_at": str(event.get("at", "")), "started_at": str(record.get("began", ""))}
    match event.get("type"):
        case "call":
            told |= {name: str(event.get(name, "")) for name in ("playbook", "version", "language", "node")}
        case "state":
            told["state"] = str(event.get("state", ""))
        case "turn":
            told["turn"] = str(event.get("turn", ""))
        case "ended" | "refused":
            told |= {"state": "ended", "next": str(event.get("next", "operator"))}
    return told
