"""Idempotency keys: the same key with the same request gets the answer it got the first time."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header

from serve_apps.demo_store.refusal import refuse

_KEPT = 10_000
_LIFE = 24 * 3600.0  # seconds

Key = Annotated[str, Header(alias="Idempotency-Key", min_length=8, max_length=128)]
MaybeKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=8, max_length=128)]


class Keys:
    """The answers of the last day. What makes an answer must not wait: two requests with one key would both act."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now``: seconds since 1970-01-01 UTC."""
        self._now = now
        self._answers: OrderedDict[str, tuple[float, str, dict[str, Any]]] = OrderedDict()

    def once(self, key: str | None, request: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The first answer to ``key``, or what ``make`` answers now; a refusal by ``make`` is not kept.

        Refuses a key that came with another request.
        """
        if not key:
            return make()
        now = self._now()
        while self._answers and next(iter(self._answers.values()))[0] < now - _LIFE:
            self._answers.popitem(last=False)
        fingerprint = hashlib.sha256(request.encode()).hexdigest()
        known = self._answers.get(key)
        if known is not None:
            if known[1] != fingerprint:
                refuse(409, "idempotency_conflict", "this Idempotency-Key was used for another request")
            return known[2]
        answer = make()
        self._answers[key] = (now, fingerprint, answer)
        while len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return answer
