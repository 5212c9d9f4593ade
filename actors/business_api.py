"""The API of a playbook's business, as a call's process reaches it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from engine.agent.http_tools import Address
from engine.agent.playbook import Playbook
from engine.breaker import Breakers
from engine.config import StoreSettings
from engine.errors import ConfigurationError
from engine.http.client import JsonClient
from engine.http.port import JsonService
from engine.http.retry import RetryPolicy
from engine.speech.chain import breaker_name


def business_address(
    playbook: Playbook, store: StoreSettings, *, environ: Mapping[str, str], store_url: str
) -> Address | None:
    """Where the API is that ``playbook`` declares; None where it declares none.

    A playbook with ``base_url: embedded`` means the demonstration API of its name, which lies beside the demonstration
    store at ``store_url`` and takes that one's token. Raises ConfigurationError that names playbook and variable.
    """
    if playbook.http is None:
        return None
    embedded = f"{store_url.rstrip('/')}/{playbook.name}" if store.url == "embedded" else ""
    try:
        address = playbook.http.address(environ, embedded=embedded)
    except ConfigurationError as error:
        raise ConfigurationError(f"playbook {playbook.name}: {error}") from error
    return replace(address, token=store.token.reveal()) if address.base_url == embedded else address


def business_api(
    playbook: Playbook, store: StoreSettings, *, environ: Mapping[str, str], breakers: Breakers, store_url: str
) -> JsonService | None:
    """That API: one pool of connections a process, one breaker a node and playbook. Raises as ``business_address``."""
    address = business_address(playbook, store, environ=environ, store_url=store_url)
    if address is None or playbook.http is None:
        return None
    return JsonClient(
        address.base_url,
        address.token,
        name=playbook.name,
        timeout=playbook.http.timeout,
        retry=RetryPolicy(store.retries),
        breaker=breakers.named(_breaker_name(playbook.name)),
    )


def _breaker_name(playbook: str) -> str:
    """A playbook's name may be written in any letters; two of them never share a breaker."""
    plain = breaker_name("api", playbook)
    if plain == f"api.{playbook}":
        return plain
    return f"{plain[:50]}-{hashlib.sha256(playbook.encode()).hexdigest()[:8]}"
