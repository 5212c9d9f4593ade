"""What a call costs: the prices that its record is counted by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.config.setting import setting

_MOST: Final = 1000.0


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """Prices, all in one currency of the owner's; a part without one is not counted."""

    telephony_minute: float = setting(
        0.0,
        "Price of a minute of telephony; 0: not counted.",
        at_least=0,
        at_most=_MOST,
        variable="PRICE_TELEPHONY_MINUTE",
    )
    recognition_minute: float = setting(
        0.0,
        "Price of a minute of speech recognition, which listens as long as the call lasts; 0: not counted.",
        at_least=0,
        at_most=_MOST,
        variable="PRICE_RECOGNITION_MINUTE",
    )
    synthesis_characters: float = setting(
        0.0,
        "Price of 1,000 characters of synthesised speech, counted by what was heard; 0: not counted.",
        at_least=0,
        at_most=_MOST,
        variable="PRICE_SYNTHESIS_1000_CHARACTERS",
    )
    model_input_tokens: float = setting(
        0.0,
        "Price of 1,000,000 tokens that a chat model reads, whichever of a chain; 0: not counted.",
        at_least=0,
        at_most=_MOST,
        variable="PRICE_LLM_INPUT_1000000_TOKENS",
    )
    model_output_tokens: float = setting(
        0.0,
        "Price of 1,000,000 tokens that a chat model writes; 0: not counted.",
        at_least=0,
        at_most=_MOST,
        variable="PRICE_LLM_OUTPUT_1000000_TOKENS",
    )

    @property
    def rates(self) -> tuple[float, float, float, float, float]:
        """In the order of the query ``price_calls``."""
        return (
            self.telephony_minute,
            self.recognition_minute,
            self.synthesis_characters,
            self.model_input_tokens,
            self.model_output_tokens,
        )

    @property
    def any(self) -> bool:
        """Whether there is something to count."""
        return any(self.rates)
