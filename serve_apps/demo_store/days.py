"""Which days a demonstration server knows."""

from __future__ import annotations

from datetime import date
from typing import Final

from serve_apps.demo_store.refusal import refuse

LONGEST_AHEAD: Final = 366
"""Days: nobody plans further, and the calendar's own end stays out of reach."""


def in_reach(day: date, today: date) -> None:
    """Refuses a day that lies too far ahead."""
    if (day - today).days > LONGEST_AHEAD:
        refuse(422, "validation_error", f"{day.isoformat()} lies more than a year ahead")
