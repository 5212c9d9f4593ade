"""The ingress's metrics, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import get_args

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from actors.active import Counts
from actors.exchange import Exchange
from engine.breaker import BreakerReading, StateName

_HELP = {
    "connections": "Connections accepted from a PBX.",
    "admitted": "Calls admitted.",
    "refused_unknown": "Connections refused because nobody had announced their UUID, or it was used before.",
    "refused_capacity": "Calls refused because all places were taken, or the node was draining.",
    "no_uuid": "Connections that showed no UUID in time.",
    "takeovers": "Calls given to another process after theirs had died.",
    "lost": "Calls that no process could lead; their callers went to the operator.",
    "ended": "Calls that ended.",
}


class ExchangeCollector(Collector):
    """Reads an exchange when metrics are asked for."""

    def __init__(self, exchange: Exchange, registry: CollectorRegistry = REGISTRY) -> None:
        self._exchange = exchange
        registry.register(self)

    def collect(self) -> list[Metric]:
        exchange = self._exchange
        families: list[Metric] = []
        for field in fields(Counts):
            counter = CounterMetricFamily(f"trunkline_{field.name}", _HELP[field.name])
            counter.add_metric([], getattr(exchange.counts, field.name))
            families.append(counter)
        for name, text, value in (
            ("calls", "Calls now.", exchange.active),
            ("warm_processes", "Processes that wait for a call.", exchange.warm),
            ("call_processes", "Processes, busy or not.", exchange.hosts),
        ):
            gauge = GaugeMetricFamily(f"trunkline_{name}", text)
            gauge.add_metric([], value)
            families.append(gauge)
        return families


class BreakerCollector(Collector):
    """Reads the node's circuit breakers when metrics are asked for."""

    def __init__(
        self, readings: Callable[[], tuple[BreakerReading, ...]], registry: CollectorRegistry = REGISTRY
    ) -> None:
        self._readings = readings
        registry.register(self)

    def collect(self) -> list[Metric]:
        state = GaugeMetricFamily(
            "trunkline_breaker_state", "1 for the state that a circuit breaker is in, else 0.", labels=["name", "state"]
        )
        failures = GaugeMetricFamily(
            "trunkline_breaker_failures", "Failures in a row that a circuit breaker has counted.", labels=["name"]
        )
        for reading in self._readings():
            for name in get_args(StateName):
                state.add_metric([reading.name, name], float(name == reading.state))
            failures.add_metric([reading.name], reading.failures)
        return [state, failures]
