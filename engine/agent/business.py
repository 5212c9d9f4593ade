"""What belongs to the business itself and is no caller's: its own sentences, with its numbers and addresses in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from engine.agent.playbook import Playbook
from engine.agent.playbooks import spelling_of


def business_texts(playbook: Playbook) -> list[str]:
    """Every sentence that the business wrote, as it is written and as it is spoken."""
    written: list[str] = []
    for field in fields(playbook.phrases):
        value = getattr(playbook.phrases, field.name)
        written += value.values() if isinstance(value, Mapping) else (value,) if isinstance(value, str) else value
    written += [f"This is {brand}." for brand in playbook.brands]  # said of goods it is no person's name
    written += [*playbook.sentences.values(), *(passage.text for passage in playbook.knowledge)]
    spell = spelling_of(playbook, playbook.language)
    return [*written, *(spell(text) for text in written)]
