"""Settings of what is made of the records: scores, statistics, reports, call-back lists."""

# ruff: noqa: RUF009 - ``setting`` makes a dataclass field, it is no shared default
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.config.setting import setting


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What is made of the records of calls: quality scores, statistics, the weekly report, the call-back list."""

    quality_model: Literal["off", "configured"] = setting(
        "off",
        "Who scores what words decide: rules alone (`off`), or the chat model of TRUNKLINE_LLM where it is one. It is "
        "sent the masked transcript of each finished call.",
    )
    quality_model_calls: int = setting(
        200, "Calls that the model judges in one run; the rules score the rest.", unit="calls", at_least=0
    )
    quality_model_tokens: int = setting(
        500_000,
        "Tokens, in and out, after which a run asks the model no more.",
        unit="tokens",
        at_least=0,
    )
    statistics_days: int = setting(
        35,
        "How many days back a day is made again whose calls were recorded late.",
        unit="days",
        at_least=1,
        at_most=366,
    )
    callbacks_late_h: float = setting(
        24.0, "Wait after which a call-back is marked late in the list.", unit="h", at_least=1, at_most=720
    )
    callbacks_keep_days: int = setting(
        14,
        "Days after which a call-back that nobody made is closed as `unreachable`; lists are kept as long.",
        unit="days",
        at_least=1,
        at_most=366,
    )
    erasure_key_file: Path | None = setting(
        None,
        "File with the key by which erased callers are remembered, the same on all machines; empty: `erasures.key` in "
        "the state folder, made once. Keep a copy of it where no backup is.",
        expected="a path",
    )
