"""Several playbooks at once, chosen by the number that was dialled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from engine.agent.playbook import Playbook, load_playbook, speech_of
from engine.agent.speakable import spell_out
from engine.errors import ConfigurationError


def playbook_names(setting: str) -> tuple[str, ...]:
    """The names or folders in ``TRUNKLINE_PLAYBOOK``: "tyre_shop|clinic"."""
    return tuple(name.strip() for name in setting.split("|") if name.strip())


class Playbooks:
    """All playbooks of an engine; the first leads the calls of every number that no other names."""

    def __init__(self, setting: str) -> None:
        """Raises ConfigurationError for a playbook that is wrong, or two that claim the same name or number."""
        self._all = tuple(load_playbook(name) for name in playbook_names(setting))
        if not self._all:
            raise ConfigurationError("TRUNKLINE_PLAYBOOK names no playbook")
        self._by_number: dict[str, Playbook] = {}
        names: set[str] = set()
        for playbook in self._all:
            if playbook.name in names:
                raise ConfigurationError(f"two playbooks are named {playbook.name}")
            names.add(playbook.name)
            for number in playbook.dialled:
                other = self._by_number.setdefault(_plain(number), playbook)
                if other is not playbook:
                    raise ConfigurationError(
                        f"{playbook.folder / 'playbook.yaml'}: dialled: {number} is {other.name}'s already"
                    )

    @property
    def default(self) -> Playbook:
        return self._all[0]

    def dialled(self, number: str) -> Playbook:
        """The playbook of a dialled number."""
        return self._by_number.get(_plain(number), self._all[0])

    def __iter__(self) -> Iterator[Playbook]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def language_of(playbook: Playbook, setting: str) -> str:
    """The language of a playbook's calls: ``TRUNKLINE_LANGUAGE``, or its own where that is empty."""
    return setting or playbook.language


def spelling_of(playbook: Playbook, language: str) -> Callable[[str], str]:
    """``spell_out`` as this business speaks ``language``."""
    return partial(spell_out, language=language, own=speech_of(playbook.code))


def _plain(number: str) -> str:
    """A number without what is written for the eye: "+380 44 …" and "38044…" are the same."""
    return re.sub(r"[^\w*#]", "", number)
