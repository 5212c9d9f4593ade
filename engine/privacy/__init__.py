"""Masking of personal data: telephone and card numbers, names, addresses, e-mail addresses.

It stands at the bottom of the engine, beside errors and clock, because the logs of every room use it; it imports none
of them. ``mask`` is for texts that stand alone, ``Masker`` for those of one call, ``transcript_for`` for whoever looks
at a call, ``cacheable`` for what may be kept on disk.
"""

from __future__ import annotations

from engine.privacy.finding import Finding, Kind
from engine.privacy.masking import SLOTS, Asked, Masker, asked_by, cacheable, mask
from engine.privacy.views import MaskedConversation, Role, transcript_for

__all__ = [
    "SLOTS",
    "Asked",
    "Finding",
    "Kind",
    "MaskedConversation",
    "Masker",
    "Role",
    "asked_by",
    "cacheable",
    "mask",
    "transcript_for",
]
