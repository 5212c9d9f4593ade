"""How long each table is kept, and how far ahead it is made: the settings for one table alone."""

from __future__ import annotations

import pytest

from engine.config import load_settings
from engine.config.terms import TABLES, days_kept, months_ahead
from engine.errors import ConfigurationError
from engine.records.partitions import PARENTS


def test_one_table_may_differ() -> None:
    settings = load_settings(
        {
            "TRUNKLINE_RETENTION_METADATA_DAYS": "400",
            "TRUNKLINE_RETENTION_TABLES": "call_turns=180 | call_tool_calls = 200",
            "TRUNKLINE_PARTITIONS_AHEAD_TABLES": "calls=6",
        }
    )
    assert days_kept(settings.retention, settings.terms) == {"calls": 400, "call_turns": 180, "call_tool_calls": 200}
    assert months_ahead(settings.operations, settings.terms) == {"calls": 6, "call_turns": 3, "call_tool_calls": 3}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("RETENTION_TABLES", "customers=90", "got 'customers=90'"),
        ("RETENTION_TABLES", "calls=5", "NUMBER 31 to 36500"),
        ("RETENTION_TABLES", "calls", "got 'calls'"),
        ("PARTITIONS_AHEAD_TABLES", "calls=13", "NUMBER 1 to 12"),
        ("RETENTION_TABLES", "call_turns=366", "expected at most as long as calls"),
        ("RETENTION_TABLES", "calls=90", "expected at most as long as calls"),
    ],
)
def test_what_is_wrong_is_told(name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_settings({f"TRUNKLINE_{name}": value})


def test_they_are_the_tables_that_have_partitions() -> None:
    assert tuple(parent.table for parent in PARENTS) == TABLES
