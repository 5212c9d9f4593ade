"""Settings of how long each kind of record is kept, and of what each partitioned table has to itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.config.operations import OperationsSettings, RetentionSettings
from engine.config.setting import setting

TABLES: Final = ("calls", "call_turns", "call_tool_calls")
"""Those that have a partition a month."""
_EXPECTED: Final = "`TABLE=NUMBER|TABLE=NUMBER…`, TABLE one of calls, call_turns, call_tool_calls"


@dataclass(frozen=True, slots=True)
class TermSettings:
    """How long what stands beside the calls is kept, and what one partitioned table has to itself."""

    tables_days: tuple[str, ...] = setting(
        (),
        "Days that replace TRUNKLINE_RETENTION_METADATA_DAYS for one table, divided by `|`: turns and tool calls may "
        "go before their calls, never after them.",
        expected=_EXPECTED,
        variable="RETENTION_TABLES",
    )
    tables_ahead: tuple[str, ...] = setting(
        (),
        "Months that replace TRUNKLINE_PARTITIONS_AHEAD for one table, divided by `|`.",
        expected=_EXPECTED,
        variable="PARTITIONS_AHEAD_TABLES",
    )
    customers_days: int = setting(
        365,
        "A customer (number, name) is removed when his last call is so long ago, no call of his is left and nobody "
        "is to call him back.",
        unit="days",
        at_least=1,
        at_most=36500,
        variable="RETENTION_CUSTOMERS_DAYS",
    )
    callbacks_days: int = setting(
        30,
        "The number is removed from a call-back that was done or given up so long ago, and from one that was asked "
        "for so long ago and never made.",
        unit="days",
        at_least=1,
        at_most=36500,
        variable="RETENTION_CALLBACKS_DAYS",
    )
    dead_letters_days: int = setting(
        90,
        "Events that no row could be made of (`dead-letters.jsonl`) are removed after this time.",
        unit="days",
        at_least=1,
        at_most=36500,
        variable="RETENTION_DEAD_LETTERS_DAYS",
    )
    runs_days: int = setting(
        400,
        "Runs of jobs (`ops_runs`) are removed after this time, but for the last run and the last success of each job.",
        unit="days",
        at_least=60,
        at_most=36500,
        variable="RETENTION_RUNS_DAYS",
    )


def days_kept(retention: RetentionSettings, terms: TermSettings) -> dict[str, int]:
    """How long the rows of each partitioned table are kept, days. Of settings that were checked."""
    return dict.fromkeys(TABLES, retention.metadata_days) | dict(map(_pair, terms.tables_days))


def months_ahead(operations: OperationsSettings, terms: TermSettings) -> dict[str, int]:
    """Months made in advance for each partitioned table. Of settings that were checked."""
    return dict.fromkeys(TABLES, operations.partitions_ahead) | dict(map(_pair, terms.tables_ahead))


def faults_of(retention: RetentionSettings, terms: TermSettings) -> Iterator[str]:
    """What is wrong with the values for single tables."""
    wrong = False
    for variable, pairs, limits in (
        ("TRUNKLINE_RETENTION_TABLES", terms.tables_days, range(31, 36501)),
        ("TRUNKLINE_PARTITIONS_AHEAD_TABLES", terms.tables_ahead, range(1, 13)),
    ):
        for pair in pairs:
            table, _, number = pair.partition("=")
            if table.strip() not in TABLES or not number.strip().isdecimal() or int(number) not in limits:
                wrong = True
                yield f"{variable}: got {pair!r}, expected {_EXPECTED}, NUMBER {limits[0]} to {limits[-1]}"
    if wrong:
        return
    days = days_kept(retention, terms)
    for table in TABLES[1:]:
        if days[table] > days["calls"]:  # by whose row an erasure finds what belongs to a caller
            yield (
                f"TRUNKLINE_RETENTION_TABLES: {table} would be kept for {days[table]} days, "
                f"expected at most as long as calls ({days['calls']})"
            )


def _pair(text: str) -> tuple[str, int]:
    table, _, number = text.partition("=")
    return table.strip(), int(number)
