"""What pg_amcheck says of a server: damage, or that it could not look.

Its exit code alone does not tell these apart: it is 2 for damage, and for every query that ends in an error too, be it
a time limit or a full disk.
"""

from __future__ import annotations

import re
from typing import Final

CORRUPT: Final = 2
"""Exit code where something was found in some relation; any other says that it could not look at all."""
NO_LIMITS: Final = {"statement_timeout": "0", "lock_timeout": "0"}
"""A role of the restored cluster may have limits of its own, by which a long look would end."""
NO_LIMITS_SINCE_17: Final = {"transaction_timeout": "0"}
_SINCE: Final = 17
_SHOWN: Final = 3
_REPORT: Final = re.compile(r'^(?=(?:heap table|btree index) ")', re.MULTILINE)
_STATE: Final = re.compile(r"^\s+\S+:\s+([0-9A-Z]{5}): ", re.MULTILINE)
"""Of an error, as `--verbose` shows it; what the check of a heap finds by itself has none."""
_DAMAGE: Final = ("XX", "58P01")
"""Errors that come of what lies there: a broken page, index or tuple; a file that is gone. Others come of the machine
(53, 57, 58030), of locks (40, 55) or of what somebody defined (22, 42).
"""
_NOISE: Final = ("LOCATION:", "query was:")


def session(major: int) -> dict[str, str]:
    """The environment in which nothing that a role has set ends a query; ``major``: of the server."""
    options = NO_LIMITS | (NO_LIMITS_SINCE_17 if major >= _SINCE else {})
    return {"PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items())}


def damage(said: str) -> str:
    """What of its output tells of damage, for people; empty: some queries failed, and nothing is known to be damaged.
    Output that is no report at all counts as damage, as its exit code says.
    """
    reports = [each for each in _REPORT.split(said) if _REPORT.match(each)]
    if not reports:
        return "it does not say where"
    found = [each for each in reports if _tells_damage(each)]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(_line(each) for each in found[:_SHOWN]) + more


def faults(said: str) -> str:
    """The first errors in it, for people."""
    reports = [each for each in _REPORT.split(said) if _STATE.search(each)]
    return "; ".join(_line(each) for each in reports[:_SHOWN])


def _tells_damage(report: str) -> bool:
    state = _STATE.search(report)
    return state is None or state[1].startswith(_DAMAGE)


def _line(report: str) -> str:
    lines = [line.strip() for line in report.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith(_NOISE))
