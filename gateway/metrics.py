"""The gateway's metrics: named once here, registered per app so that two apps do not collide.

Labels are closed sets: route templates, statuses, outcomes, and the stations of the register. No
other identifier ever becomes a label.
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
        self.vitals = VitalMetrics(self.registry)


class VitalMetrics:
    """The figures that raise alarms; read from PostgreSQL and Kafka, so equal in every gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.age = gauge(
            "xuelian_vitals_age_seconds", "Since the figures below were last measured."
        )
        self.open_requests = gauge(
            "xuelian_requests_open", "Requests that blood is missing for.", "priority"
        )
        self.oldest_request = gauge(
            "xuelian_requests_oldest_seconds",
            "Since the oldest of them was opened; 0 if there is none.",
            "priority",
        )
        self.overdue = gauge(
            "xuelian_overdue", "Requests and transfers that somebody should look after.", "mark"
        )
        self.letters = gauge(
            "xuelian_dead_letters", "Refused records not replayed.", "reader", "code"
        )
        self.grave_letters = gauge(
            "xuelian_dead_letters_life_threatening",
            "Refused life-threatening requests that are kept, replayed or not.",
        )
        self.grave_letters_waiting = gauge(
            "xuelian_dead_letters_life_threatening_waiting",
            "Refused life-threatening requests not replayed.",
        )
        self.unread_records = gauge(
            "xuelian_unread_records",
            "Records that no worker has acknowledged; absent while Kafka does not tell.",
            "reader",
            "topic",
        )
        self.unread_oldest = gauge(
            "xuelian_unread_oldest_seconds",
            "Since the oldest of them was written; 0 if none waits.",
            "reader",
            "topic",
        )
        self.outbox_rows = gauge(
            "xuelian_outbox_rows", "Committed events that are not published yet."
        )
        self.outbox_oldest = gauge(
            "xuelian_outbox_oldest_seconds", "Since the oldest of them was made; 0 if none waits."
        )
        self.timers_late = gauge(
            "xuelian_timers_late_seconds", "How late the longest due timer is; 0 if none is due."
        )
        self.shortages = gauge("xuelian_shortages_open", "Open shortages.", "level")
        self.calls = gauge("xuelian_call_outs_live", "Live calls to donors.", "station", "status")
        self.stock_units = gauge(
            "xuelian_stock_units", "Units that are free now.", "station", "component"
        )
        self.stock_days = gauge(
            "xuelian_stock_days",
            "How many days the free units last at the rate of the last day.",
            "station",
            "component",
        )
