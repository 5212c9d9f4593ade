"""A playbook's sentences with their words filled in. Numbers stay digits; the dialogue puts them in words."""

from __future__ import annotations

from collections.abc import Mapping

from engine.agent.forms import PLACEHOLDER, filled_in
from engine.agent.playbook import Playbook
from engine.agent.source import Source
from engine.errors import ConfigurationError

_PLAIN = frozenset({"maximum", "hours"})
"""Words in braces that any sentence may hold."""

SENTENCES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("hello", "who", "capabilities", "welcome", "anything_else", "goodbye_hint", "go_on", "nothing_to_repeat"),
            *(
                "repair",
                "repair_again",
                "repair_operator",
                "sorry",
                "refuse",
                "refuse_private",
                "not_from_here",
                "not_known",
            ),
            *("cannot_without", "cancelled", "not_done", "what_to_change", "store_down", "tool_refused", "closed"),
            "callback",
        ),
        frozenset[str](),
    ),
    "resume": frozenset({"about"}),
}
"""What the policy itself says, and the words in braces each sentence may hold."""


class Sentences:
    """Says the sentences of one playbook."""

    def __init__(self, playbook: Playbook) -> None:
        self._texts = playbook.sentences
        self._always = {"maximum": playbook.max_quantity, "hours": playbook.hours.spoken()}

    def __call__(self, key: str, **values: object) -> str:
        return filled_in(self._texts[key], {**self._always, **values})


def check_sentences(
    source: Source, texts: Mapping[str, str], wanted: Mapping[str, frozenset[str]], keys: Mapping[str, str]
) -> None:
    """Raises ConfigurationError for a sentence that is missing or holds words in braces that nobody fills in.

    ``keys``: sentence → its key in the file.
    """
    for key, allowed in wanted.items():
        if key not in texts:
            raise ConfigurationError(f"{source.path}: {key}: missing (the policy says it)")
        text = texts[key]
        for path in PLACEHOLDER.findall(text):
            name = path.partition(".")[0]
            if name not in allowed | _PLAIN:
                known = ", ".join(sorted(allowed | _PLAIN))
                raise source.wrong(keys.get(key, key), f"{{{path}}} is not filled in here (there are: {known})")
        if "{" in PLACEHOLDER.sub("", text) or "}" in PLACEHOLDER.sub("", text):
            raise source.wrong(keys.get(key, key), "a brace that is not closed, or holds something else than a name")
