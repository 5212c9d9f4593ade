"""A caller who is to be erased, and what looks for him afterwards."""

from __future__ import annotations

import json
import platform
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine.config import Settings
from ops.jobs.job import JobContext
from tests.records_rows import GREETING, CallRows, at, call

Context = Callable[..., JobContext]
NOW = at("2026-11-24T10:00:00")
NUMBER = "+990000000001"
DIGITS = "990000000001"
HERE = platform.node()


def his_calls() -> list[CallRows]:
    """Two calls; he gives his name, an address and his number; he wants to be called back."""
    one = call("his 1", NOW - timedelta(days=3), NUMBER, order_id="77123", channel=f"PJSIP/{DIGITS}-01", node=HERE)
    one.says("", GREETING).uses("create_order_draft", {"customer_phone": NUMBER, "customer_name": "Zebulon Quux"})
    one.says("I am Zebulon Quux of Elm Road.", "Thank you, Mr Quux.")
    two = call("his 2", NOW - timedelta(days=1), "00" + DIGITS, booking_id="B-9", node=HERE)
    return [one, two.says("Call me back.", "We will call Zebulon Quux.").asks_back(NUMBER)]


@dataclass(frozen=True)
class Site:
    """All of it together."""

    database: str
    connection: Any
    context: Context
    settings: Settings
    calls: list[CallRows]
    asked: str


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


async def everything(connection: Any) -> str:
    """All rows of all tables that hold data of callers, as text."""
    tables = ("calls", "call_turns", "call_tool_calls", "customers", "callbacks", "erasures", "daily_stats", "ops_runs")
    rows = [row for table in tables for row in await connection.fetch(f"SELECT t::text FROM {table} t ORDER BY 1")]
    return "\n".join(row[0] for row in rows)


def in_files(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file())


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def receipts(settings: Settings) -> list[dict[str, Any]]:
    folder = settings.paths.state_dir / "erasures"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    return [json.loads(path.read_text()) for path in folder.iterdir()]


def assert_nobody(text: str) -> None:
    for personal in (DIGITS, "Quux", "Elm Road", "77123", "B-9"):
        assert personal not in text
