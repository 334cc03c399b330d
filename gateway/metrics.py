"""The gateway's metrics: named once here, registered per app so that two apps do not collide.

Labels are closed sets: route templates, statuses, outcomes. No identifier ever becomes one.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class GatewayMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "xuelian_http_answers_total",
            "Answers by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "xuelian_http_seconds",
            "From the first byte of a request to the start of its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.waits = Counter(
            "xuelian_http_waits_total",
            "Calls that waited for a decision, by how the wait ended.",
            ["ended"],
            registry=self.registry,
        )
        self.lookups = Counter(
            "xuelian_http_lookups_total",
            "Looks at PostgreSQL for a repeat, by how they ended.",
            ["ended"],
            registry=self.registry,
        )
        self.streams = Gauge("xuelian_http_streams", "Open event streams.", registry=self.registry)
