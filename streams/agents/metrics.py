"""The engine's Prometheus metrics, named and registered once, here.

Labels are closed sets (agent names, families of causes): no station or event id is ever a label.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS_IN = Counter("xuelian_records_in_total", "Records an agent took from Kafka.", ["agent"])
RECORDS_UNREADABLE = Counter(
    "xuelian_records_unreadable_total",
    "Records that could not be understood and were quarantined.",
    ["agent", "code"],
)
RECORDS_DROPPED = Counter(
    "xuelian_records_dropped_total",
    "Records let go unacknowledged because their partition was revoked; they are read again.",
    ["agent"],
)
BATCH_RECORDS = Histogram(
    "xuelian_batch_records",
    "Records decided in one transaction.",
    ["agent"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
DECIDE_SECONDS = Histogram(
    "xuelian_decide_seconds",
    "Time of one transaction, from decoded records to the commit.",
    ["agent"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
IN_FLIGHT_SECONDS = Gauge(
    "xuelian_in_flight_seconds",
    "Age of the batch that is being decided, 0 if none is; there for each agent that runs.",
    ["agent"],
)
RETRIES = Counter(
    "xuelian_retries_total", "Batches tried again because a dependency was away.", ["agent"]
)
QUEUE_RECORDS = Gauge(
    "xuelian_queue_records", "Records that wait in the process for the next transaction.", ["agent"]
)
