"""The named queries of scores, statistics, reports and erasure."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("sql") / "reports.sql"
_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@lru_cache(maxsize=1)
def report_queries() -> dict[str, str]:
    """By name; each with its arguments in a comment."""
    _, *parts = _NAME.split(_FILE.read_text(encoding="utf-8"))
    return {name: text.strip().rstrip(";") for name, text in zip(parts[::2], parts[1::2], strict=True)}
