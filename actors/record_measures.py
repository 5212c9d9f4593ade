"""Metrics of the records: what waits in the outbox, and how its sinks take it. The ingress publishes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from engine.records.dead_letters import kept_bytes
from engine.records.outbox import Outbox
from engine.records.recorder import STATUS

_COUNTS: Final = {
    "written": "Events that a sink has taken since the recorder began.",
    "duplicates": "Events that a sink had already.",
    "dead": "Events that were set aside because no row can be made of them (dead letters).",
}


class RecordCollector(Collector):
    """Reads the ingress's outbox, and what the recorder has told of itself, when metrics are asked for."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        wall: Callable[[], float] = time.time,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._outbox = outbox
        self._wall = wall
        registry.register(self)

    def collect(self) -> list[Metric]:
        status = self._status()
        return [*self._of_outbox(), *self._of_sinks(status), *_counts(status)]

    def _status(self) -> dict[str, Any]:
        try:
            status = json.loads((self._outbox.folder / STATUS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    def _of_outbox(self) -> list[Metric]:
        outbox, counts = self._outbox, self._outbox.counts
        families: list[Metric] = []
        for name, text, value in (
            ("appended", "Events given to the outbox.", counts.appended),
            ("written", "Events that the outbox has on the disk.", counts.written),
            (
                "lost",
                "Events that neither disk nor memory had room for, or that no record could be made of.",
                counts.lost,
            ),
        ):
            counter = CounterMetricFamily(f"trunkline_outbox_{name}", text)
            counter.add_metric([], value)
            families.append(counter)
        for name, text, value in (
            ("outbox_waiting", "Events in memory that are not on the disk yet.", outbox.waiting),
            ("outbox_failing", "1 while the disk takes no events.", int(bool(outbox.failing))),
            (
                "dead_letters_bytes",
                "Events set aside on this node's disk, of runs before this one too; 0: none.",
                kept_bytes(outbox.root),
            ),
        ):
            gauge = GaugeMetricFamily(f"trunkline_{name}", text)
            gauge.add_metric([], value)
            families.append(gauge)
        return families

    def _of_sinks(self, status: dict[str, Any]) -> list[Metric]:
        def gauge(name: str, text: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"trunkline_recorder_{name}", text, labels=["sink"])

        lag = gauge("lag_seconds", "Age of the oldest event that a sink has not taken; 0 where it has all.")
        events = gauge("depth_events", "Events on this node's disk that a sink has not taken.")
        size = gauge("depth_bytes", "Their bytes.")
        last = gauge("last_write_timestamp_seconds", "When a sink last took events, since 1970; 0: not yet.")
        up = gauge("sink_up", "1 while a sink takes events.")
        passed = gauge("passed_over", "Records that could not be read, or were deleted before the sink took them.")
        told_at = float(status.get("at", 0.0))
        seen: dict[str, list[dict[str, Any]]] = {}
        for one in status.get("outboxes", ()):
            seen.setdefault(str(one["sink"]), []).append(one)
        for sink, places in seen.items():
            own = [one for one in places if one["outbox"] == self._outbox.folder.name]
            depth = sum(max(0, self._outbox.position - int(one["position"])) for one in own)
            waits = [float(one["oldest_at"]) for one in places if one["oldest_at"]]
            if depth and not waits:
                waits = [told_at]  # it has told nothing of what came since
            away = any(one["away"] for one in places) or self._wall() - told_at > 30
            lag.add_metric([sink], max(0.0, self._wall() - min(waits)) if waits else 0.0)
            events.add_metric([sink], depth)
            size.add_metric([sink], sum(self._outbox.behind(int(one["base"]), int(one["offset"])) for one in own))
            last.add_metric([sink], max(float(one["wrote_at"]) for one in places))
            up.add_metric([sink], 0.0 if away else 1.0)
            passed.add_metric([sink], sum(int(one["passed_over"]) for one in places))
        return [lag, events, size, last, up, passed]


def _counts(status: dict[str, Any]) -> list[Metric]:
    families: list[Metric] = []
    for name, text in _COUNTS.items():
        counter = CounterMetricFamily(f"trunkline_recorder_{name}", text, labels=["sink"])
        for sink, counts in status.get("sinks", {}).items():
            counter.add_metric([str(sink)], float(counts.get(name, 0)))
        families.append(counter)
    return families
