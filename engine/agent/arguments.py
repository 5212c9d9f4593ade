"""One argument of a tool: how it is declared, and what a value must fulfil before the tool sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, Literal

from engine.agent.grounding import Evidence, OwnEvidence, grounded, retracted
from engine.agent.said import Offered, Said
from engine.errors import ToolError

NOT_SAID = "not_said"
"""What a model writes for an optional argument that the caller did not mention."""

FARTHEST = 366
"""Days ahead that a date may lie."""

_EMPTY: frozenset[object] = frozenset({NOT_SAID, "", None, "null", "none", "None"})
_LONGEST = 400
"""Characters of one text."""

Kind = Literal["string", "integer", "date", "time"]


class RefusedCallError(ToolError):
    """A tool call that is not run; ``code`` is for the model."""

    def __init__(self, code: str, message: str, argument: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.argument = argument


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool."""

    name: str
    kind: Kind
    """``date`` is text such as 2026-11-28, ``time`` text such as 14:30, on the business's clock."""
    description: str
    evidence: Evidence | OwnEvidence = Evidence.NONE
    required: bool = True
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: Callable[[str], bool] | None = None
    """For ``string``: whether its form is right."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Value → regular expression of what callers call it, besides the value itself."""
    offered: tuple[Offered, ...] = ()
    """Results of tools that may supply the value instead of the caller's words."""
    strict: bool = False
    """Optional, but a value that nobody said refuses the call; otherwise it is left out."""
    read_back: bool = False
    """Before a confirmation the agent must have spoken this value."""
    spoken_as: tuple[tuple[str, ...], ...] = ()
    """For a value that a tool offered and that nobody speaks (an id): fields of the offering record that stand for it.
    One group is enough; of a group all fields that the record has must have been spoken."""

    def schema(self) -> dict[str, Any]:
        whole = self.kind == "integer"
        kinds: Any = "string" if not whole else "integer" if self.required else ["integer", "null"]
        schema: dict[str, Any] = {"type": kinds, "description": self.description}
        if not self.required:
            if whole:
                schema["description"] += "; null if the caller did not say it"
            else:
                schema["description"] += f'; "{NOT_SAID}" if the caller did not say it'
        if self.choices:
            schema["enum"] = [*self.choices, *(() if self.required else (NOT_SAID,))]
        return schema

    def checked(self, value: Any, said: Said) -> Any:
        """The value as it may be used; None for an optional one that was not said. Raises RefusedCallError."""
        name = self.name
        if isinstance(value, str):
            value = value.strip()
        if value is None or (isinstance(value, str) and value in _EMPTY):
            if self.required:
                raise RefusedCallError("missing", f"the caller has not said the {name} yet: ask for it", name)
            return None
        value = self._typed(value)
        self._limited(value, said)
        if not self.supported(value, said):
            if not self.required and not self.strict:
                return None  # invented by the model: the caller never asked for it
            raise RefusedCallError("not_said", f"the caller did not say this {name}: ask for it", name)
        return value

    def supported(self, value: Any, said: Said) -> bool:
        """Whether the caller said ``value``, or a tool offered it where that is allowed."""
        if self.offered and any(True for _ in said.offers(self.offered, str(value))):
            return True
        return grounded(value, self.evidence, said, self.words.get(str(value), "")) and not retracted(
            value, self.evidence, said
        )

    def _typed(self, value: Any) -> Any:
        name = self.name
        if self.kind == "integer":
            if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= 9:
                value = int(value)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if not isinstance(value, int) or isinstance(value, bool):
                raise RefusedCallError("bad_arguments", f"{name} must be a whole number", name)
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise RefusedCallError("bad_arguments", f"{name} must be a short text", name)
        if self.kind == "string":
            return value
        try:
            if self.kind == "date":
                return date.fromisoformat(value).isoformat()
            return time.fromisoformat(value).replace(tzinfo=None).isoformat("minutes")
        except ValueError as error:
            form = "a date such as 2026-11-28" if self.kind == "date" else "a time such as 14:30"
            raise RefusedCallError("bad_arguments", f"{name} must be {form}", name) from error

    def _limited(self, value: Any, said: Said) -> None:
        name = self.name
        if self.choices and value not in self.choices:
            raise RefusedCallError("bad_arguments", f"{name} must be one of {', '.join(self.choices)}", name)
        if self.pattern is not None and not self.pattern(value):
            raise RefusedCallError("bad_arguments", f"this {name} has a wrong form: ask the caller again", name)
        if isinstance(value, int):
            low, high = self.minimum, self.maximum
            if (low is not None and value < low) or (high is not None and value > high):
                raise RefusedCallError("out_of_range", f"{name} must be from {low} to {high}; offer a colleague", name)
        if self.kind == "date" and said.today is not None:
            ahead = (date.fromisoformat(value) - said.today).days
            if not 0 <= ahead <= FARTHEST:
                raise RefusedCallError("out_of_range", f"{name} must be today or within a year: ask again", name)
