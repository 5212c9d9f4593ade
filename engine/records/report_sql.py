"""The named queries of scores, statistics, reports and erasure."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from engine.sql import named_queries

_FILE: Final = Path(__file__).with_name("sql") / "reports.sql"


@lru_cache(maxsize=1)
def report_queries() -> dict[str, str]:
    """By name; each with its arguments in a comment."""
    return named_queries(_FILE)
