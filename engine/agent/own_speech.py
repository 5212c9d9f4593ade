"""What one business says its own way: its measures and its goods. Its playbook's code declares it as ``SPEECH``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
"""Numbers of one sort, and how they are read out."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnSpeech:
    """Besides what ``speakable`` knows of every business; languages are named as in "en", "ru", "uk"."""

    rules: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    """Language → rules that come before the engine's: what they leave in digits, those read."""
    feminine: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language → beginnings of feminine nouns that are counted, where numbers have a gender."""
    neuter: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOTHING_OWN: Final = OwnSpeech()
"""Of a business of plain numbers."""
