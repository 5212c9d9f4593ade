"""What the rules must know of a business, from its playbook."""

from __future__ import annotations

from collections.abc import Iterator

from engine.agent.numbers import number_runs
from engine.agent.playbook import Playbook
from engine.agent.toolbox import open_tools
from engine.quality.criteria import Business


def business_of(playbook: Playbook) -> Business:
    """Raises ConfigurationError where the playbook names a tool that does not exist."""
    return Business(
        greeting=playbook.phrases.greeting,
        not_heard=playbook.phrases.not_heard,
        confirmed={tool.name: tool.agreed for tool in open_tools(playbook).tools if tool.confirm},
        numbers=frozenset(number for text in _texts(playbook) for number in _numbers(text, playbook.language)),
    )


def _texts(playbook: Playbook) -> Iterator[str]:
    phrases = playbook.phrases
    yield from (phrases.greeting, phrases.goodbye, phrases.transfer, playbook.prompt, playbook.hours.spoken())
    yield from playbook.sentences.values()
    for passage in playbook.knowledge:
        yield f"{passage.title}. {passage.text}"


def _numbers(text: str, language: str) -> Iterator[str]:
    for run in number_runs(text, language):
        yield run.digits
        yield from run.groups
