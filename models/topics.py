"""The topic registry: every topic with its owner, key, partitions, retention and events.

Topic creation and verification, access lists and generated documents are all made from it.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.base import Value

PARTITIONS = 6
"""Partitions of every topic, so that a station has the same partition number in each of them.

Six lets six workers share a region of stations; more would only add files on a small broker."""

MAX_MESSAGE_BYTES = 1_000_000
"""The most bytes of body and headers that our producers send; Kafka's default is just above."""

_DAY_MS = 86_400_000


class AppName(StrEnum):
    """A consumer group. Urgent intake runs alone: a full buffer stops every topic of its app."""

    URGENT = "xuelian-urgent"
    SUPPLY = "xuelian-supply"


class TopicName(StrEnum):
    REQUESTS = "blood.requests.v1"
    DECISIONS = "blood.decisions.v1"
    STOCK = "blood.stock.v1"
    RECALLS = "blood.recalls.v1"
    ALERTS = "blood.alerts.v1"
    ACTIVATIONS = "blood.activations.v1"
    CALLOUTS = "blood.callouts.v1"
    ANSWERS = "blood.answers.v1"
    SHORTAGES = "blood.shortages.v1"
    OFFERS = "blood.offers.v1"
    TRANSFERS = "blood.transfers.v1"
    AUDIT = "blood.audit.v1"
    REFUSALS = "blood.refusals.v1"


class Topic(Value):
    """One topic.

    Attributes:
        owner: The package or the outside party that writes it.
        key: What the record key is; records of one key keep their order.
        retention_ms: How long the log keeps a record.
        readers: Our own consumer groups; each has a dead-letter topic of its own.
        event_types: Newest wire types that may appear in it; older versions are upcast.
    """

    name: TopicName
    owner: str
    key: str
    partitions: int = Field(default=PARTITIONS, ge=1)
    retention_ms: int = Field(default=7 * _DAY_MS, ge=_DAY_MS)
    readers: tuple[AppName, ...] = ()
    event_types: tuple[str, ...]
    inbound: bool

    def dead_letter(self, reader: AppName) -> str:
        return f"{self.name}.{reader}.dlq"


TOPICS: tuple[Topic, ...] = (
    Topic(
        name=TopicName.REQUESTS,
        owner="hospitals, gateway",
        key="supplying station",
        readers=(AppName.URGENT,),
        inbound=True,
        event_types=(
            "blood.request.opened.v2",
            "blood.request.amended.v2",
            "blood.request.cancelled.v1",
            "blood.patient.changed.v1",
            "blood.request.bag-given.v1",
            "blood.request.bag-taken-back.v1",
        ),
    ),
    Topic(
        name=TopicName.DECISIONS,
        owner="streams",
        key="supplying station",
        inbound=False,
        event_types=("blood.request.decided.v1",),
    ),
    Topic(
        name=TopicName.STOCK,
        owner="stations, hospitals, gateway",
        key="station",
        readers=(AppName.SUPPLY,),
        inbound=True,
        event_types=(
            "blood.stock.counted.v1",
            "blood.stock.changed.v1",
            "blood.donation.tested.v1",
            "blood.donation.split.v1",
            "blood.donation.recalled.v1",
            "blood.stock.differences-closed.v1",
            "blood.stock.hold-placed.v1",
            "blood.stock.hold-ended.v1",
        ),
    ),
    Topic(
        name=TopicName.RECALLS,
        owner="streams",
        key="station that holds, or supplies the hospital that does",
        inbound=False,
        event_types=("blood.recall.notified.v1",),
    ),
    Topic(
        name=TopicName.ALERTS,
        owner="disaster feeds, gateway",
        key="disaster event",
        readers=(AppName.SUPPLY,),
        inbound=True,
        event_types=("blood.alert.received.v1",),
    ),
    Topic(
        name=TopicName.ACTIVATIONS,
        owner="streams",
        key="station; of an unanswered alert, the disaster event",
        inbound=False,
        event_types=(
            "blood.activation.opened.v1",
            "blood.activation.revised.v1",
            "blood.activation.stood-down.v1",
            "blood.activation.donors-missing.v1",
            "blood.alert.unanswered.v1",
        ),
    ),
    Topic(
        name=TopicName.CALLOUTS,
        owner="streams",
        key="station",
        inbound=False,
        event_types=(
            "blood.callout.issued.v1",
            "blood.callout.closed.v1",
            "blood.callout.group-differs.v1",
        ),
    ),
    Topic(
        name=TopicName.ANSWERS,
        owner="notifiers, stations, gateway",
        key="station",
        readers=(AppName.SUPPLY,),
        inbound=True,
        event_types=(
            "blood.callout.answered.v1",
            "blood.callout.stood-down.v1",
            "blood.callout.resumed.v1",
        ),
    ),
    Topic(
        name=TopicName.SHORTAGES,
        owner="streams",
        key="station in need",
        inbound=False,
        event_types=(
            "blood.shortage.declared.v1",
            "blood.shortage.changed.v1",
            "blood.shortage.cleared.v1",
        ),
    ),
    Topic(
        name=TopicName.OFFERS,
        owner="neighbours, gateway",
        key="station in need",
        readers=(AppName.SUPPLY,),
        inbound=True,
        event_types=("blood.offer.made.v1", "blood.transfer.stood-down.v1"),
    ),
    Topic(
        name=TopicName.TRANSFERS,
        owner="streams",
        key="station in need",
        inbound=False,
        event_types=(
            "blood.transfer.agreed.v1",
            "blood.transfer.completed.v1",
            "blood.offer.declined.v1",
        ),
    ),
    Topic(
        name=TopicName.AUDIT,
        owner="streams",
        key="station",
        # Kept as long as dead letters: until then a seal proves that its chain was rewritten.
        retention_ms=90 * _DAY_MS,
        inbound=False,
        event_types=("blood.audit.sealed.v1",),
    ),
    Topic(
        name=TopicName.REFUSALS,
        owner="streams",
        key="station, or the topic of the record",
        inbound=False,
        event_types=("blood.record.refused.v1",),
    ),
)

BY_NAME = {topic.name: topic for topic in TOPICS}


def find_topic_of(event_type: str) -> Topic | None:
    """Return the one topic that carries a wire type, or None if no topic does."""
    return next((topic for topic in TOPICS if event_type in topic.event_types), None)
