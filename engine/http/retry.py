"""When a request is made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a request is made again. Times in seconds."""

    retries: int = 2
    first_wait: float = 0.2
    """Before the first retry; doubled before the second."""
    longest_wait: float = 2.0
    """A caller waits on the line: an API that asks for more patience than this counts as unavailable."""

    def wait(self, attempt: int, retry_after: float | None, uniform: Callable[[], float]) -> float | None:
        """How long to wait before retry ``attempt`` (0, 1, …); None: do not try again.

        The wait is exponential with full jitter over its upper half, or what the API asked for if that is longer.
        ``uniform`` gives 0 ≤ x < 1.
        """
        if attempt >= self.retries:
            return None
        backoff: float = min(self.first_wait * 2.0**attempt, self.longest_wait)
        wait: float = backoff * (0.5 + 0.5 * uniform())
        if retry_after is not None:
            if retry_after > self.longest_wait:
                return None
            wait = max(wait, retry_after)
        return wait


def retry_after_seconds(header: str | None, wall: float) -> float | None:
    """``Retry-After`` in seconds from ``wall`` (seconds since 1970-01-01 UTC); None where it says nothing usable."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment.timestamp() - wall, 0.0)
