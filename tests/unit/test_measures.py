"""What metrics say of the circuit breakers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from actors.measures import BreakerCollector
from engine.breaker import BreakerReading


def test_breakers_are_shown_by_name_and_state() -> None:
    registry = CollectorRegistry()
    BreakerCollector(lambda: (BreakerReading("store", "open", 5), BreakerReading("chat", "closed", 0)), registry)
    lines = generate_latest(registry).decode().splitlines()
    assert 'trunkline_breaker_state{name="store",state="open"} 1.0' in lines
    assert 'trunkline_breaker_state{name="store",state="closed"} 0.0' in lines
    assert 'trunkline_breaker_state{name="chat",state="closed"} 1.0' in lines
    assert 'trunkline_breaker_failures{name="store"} 5.0' in lines
