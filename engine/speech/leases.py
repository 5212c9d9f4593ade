"""Which replica serves a call: a lease, held for as long as the call uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

Service = Literal["stt", "tts", "llm"]

RENEW: Final = "renew"
"""What a replica says when it is time to ask for a lease anew: a replica that is leaving is no longer chosen then."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one replica."""

    service: Service
    address: str
    """host:port of its gRPC server."""
    number: int = 0
    """Distinguishes two leases of the same replica."""


class Leases(Protocol):
    """One call's leases."""

    async def get(self, service: Service) -> Lease:
        """The call's lease, acquired where it has none. Raises LeaseError when no replica can be had in time."""

    def lost(self, lease: Lease) -> None:
        """Its replica does not answer: the next ``get`` acquires another."""


class FixedLeases:
    """Addresses that never change, for a server of somebody else's or a test."""

    def __init__(self, addresses: dict[Service, str]) -> None:
        self._addresses = addresses

    async def get(self, service: Service) -> Lease:
        return Lease(service, self._addresses[service])

    def lost(self, lease: Lease) -> None:
        """Nothing else is known: the same address is tried again."""
