"""Places in a city, though the recogniser spelled its name in its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from engine.agent.fuzzy import find_names, sound_key
from engine.agent.playbook import Playbook


class _Placed(Protocol):
    @property
    def city(self) -> str: ...


_Place = TypeVar("_Place", bound=_Placed)


async def in_city(
    city: str, look_up: Callable[[str], Awaitable[tuple[_Place, ...]]]
) -> tuple[str, tuple[_Place, ...], list[str]]:
    """The city's name as the store has it, its places, and the other cities where it has none.

    Asks for the city, and only where nothing is there for all places, of which those are taken whose city sounds alike.
    """
    places = await look_up(city)
    if places:
        return places[0].city, places, []
    everywhere = await look_up("")
    cities = sorted({place.city for place in everywhere})
    alike = [name for name in cities if sound_key(name) == sound_key(city)] or find_names(city, cities)
    if len(alike) == 1:
        return alike[0], tuple(place for place in everywhere if place.city == alike[0]), []
    return city, (), cities[:8]


def called(playbook: Playbook) -> Mapping[str, str]:
    """City → how recognisers hear it, from the playbook's slot ``city``."""
    slot = playbook.forms.slots.get("city")
    return {name: pattern.pattern for name, pattern in slot.options.items()} if slot is not None else {}
