"""Whether two telephone numbers are one."""

from __future__ import annotations

import re

_NATIONAL = 9
"""Digits that two ways of writing a number have in common at the least, with or without the country's prefix."""


def digits_of(phone: str) -> str:
    """Its digits alone."""
    return re.sub(r"[^0-9]", "", phone)


def same_phone(one: str, other: str) -> bool:
    """Whether both are the same number, with or without the country's prefix; False where either has no digits."""
    left, right = digits_of(one), digits_of(other)
    shortest = min(len(left), len(right))
    return bool(shortest) and (left == right or (shortest >= _NATIONAL and left[-_NATIONAL:] == right[-_NATIONAL:]))
