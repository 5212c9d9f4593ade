"""Where a playbook's own API is, and what is told where that is not known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.business_api import business_address, business_api
from engine.agent.http_tools import Address
from engine.agent.playbook import Playbook, load_playbook
from engine.breaker import Breakers
from engine.config import Secret, StoreSettings
from engine.errors import ConfigurationError

CLINIC = load_playbook("clinic")
EMBEDDED = StoreSettings(token=Secret("shop"))
OUTSIDE = StoreSettings(url="https://shop.example", token=Secret("shop"))
STORE_URL = "http://127.0.0.1:1/store"


def address(
    store: StoreSettings, environ: Mapping[str, str] | None = None, playbook: Playbook = CLINIC
) -> Address | None:
    return business_address(playbook, store, environ=environ or {}, store_url=STORE_URL)


def test_the_demonstration_takes_the_token_of_the_demonstration_store() -> None:
    assert address(EMBEDDED) == Address(f"{STORE_URL}/clinic", "shop")


def test_an_api_of_its_own_gets_its_own_token_alone() -> None:
    own = {"CLINIC_URL": "https://clinic.example/v1", "CLINIC_TOKEN": "clinic"}
    for store in (EMBEDDED, OUTSIDE):
        assert address(store, own) == Address("https://clinic.example/v1", "clinic")


@pytest.mark.parametrize(
    ("store", "environ", "message"),
    [
        (OUTSIDE, {}, "playbook clinic: base_url is embedded"),
        (EMBEDDED, {"CLINIC_URL": "https://clinic.example"}, "playbook clinic: CLINIC_TOKEN: not set"),
    ],
)
def test_what_is_missing_is_named(store: StoreSettings, environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        address(store, environ)


def test_a_playbook_without_an_api_has_none(tmp_path: Path) -> None:
    shop = load_playbook("tyre_shop")
    assert address(OUTSIDE, playbook=shop) is None
    assert business_api(shop, OUTSIDE, environ={}, breakers=Breakers(tmp_path), store_url=STORE_URL) is None


async def test_each_name_has_a_breaker_of_its_own(tmp_path: Path) -> None:
    breakers = Breakers(tmp_path)
    for name in ("clinic", "Clinic", "The clinic", "the-clinic", "Клініка", "Лікарня", "c" * 200):
        playbook = dataclasses.replace(CLINIC, name=name)
        assert business_api(playbook, EMBEDDED, environ={}, breakers=breakers, store_url=STORE_URL) is not None
    names = [reading.name for reading in breakers.readings()]
    assert len(set(names)) == 7
    assert "api.clinic" in names
    breakers.close()
