"""What the engine asks of any REST API that speaks JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class JsonService(Protocol):
    """One API."""

    async def request(
        self,
        method: Method,
        path: str,
        *,
        segments: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        body: object = None,
        idempotency_key: str = "",
    ) -> Any:
        """The JSON of a good answer; None where it has no body.

        ``path`` is a template such as ``/orders/{order_id}``, filled from ``segments``; it alone is logged. A param
        that is None is left out. ``body`` is sent as JSON unless it is None. The key is the same for all tries.

        Raises ServiceRefused where the API says that the request is wrong (4xx, or a segment that would make another
        path of it) and ServiceUnavailable where it is slow, gone, overloaded, broken, or refuses us.
        """

    async def close(self) -> None:
        """Let go of connections; idempotent."""
