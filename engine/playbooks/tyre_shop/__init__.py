"""The tyre shop's playbook: data in this folder, and the rules and tools that data cannot say."""

from typing import Final

from engine.playbooks.tyre_shop import speech
from engine.playbooks.tyre_shop.rules import ShopRules

RULES: Final = ShopRules
SPEECH: Final = speech.SPEECH
