"""Faulty messages sent straight to Kafka: each must end in quarantine with its reason.

Each message is also written to the sent log as accepted, because Kafka took it: the checker then
counts it as lost unless it was quarantined.
"""

from __future__ import annotations

from collections.abc import Iterator

from demo.actor_context import DrillStage
from demo.actors.hospitals import to_envelope
from demo.casualties import PlannedRequest
from models.envelope import Envelope
from models.events.requests import RequestOpened
from models.topics import TopicName

EXPECTED_CODES = (
    "body_not_json",
    "source_differs",
    "event_version_unknown",
    "request_id_reused",
)
"""The reason for which each message must be quarantined, in the order of sending."""

_FIRST_AFTER_H = 2.5
_EVERY_H = 0.5


def _list_bad(stage: DrillStage, planned: tuple[PlannedRequest, ...]) -> Iterator[Envelope]:
    straight = [plan for plan in planned if plan.straight]
    good = to_envelope(stage, straight[0])
    hospital_ids = [hospital.hospital.hospital_id for hospital in stage.scenario.hospitals]
    stranger = next(name for name in hospital_ids if name != straight[0].request.hospital_id)
    yield good.but(id="demo-bad-1", subject="dr-bad-1", data='{"request": {"坏": '.encode())
    request = straight[0].request.but(request_id="dr-bad-2")
    foreign = RequestOpened(request=request)
    yield good.but(
        id="demo-bad-2", subject="dr-bad-2", source=f"hospital/{stranger}", data=foreign.to_body()
    )
    yield good.but(id="demo-bad-3", subject="dr-bad-3", type="blood.request.opened.v9")
    other = straight[0].request.but(note="同号异文 · same id, other content")
    yield good.but(id="demo-bad-4", data=RequestOpened(request=other).to_body())


async def run_faulty_senders(stage: DrillStage, planned: tuple[PlannedRequest, ...]) -> None:
    """Send the faulty messages, each at its simulated hour."""
    for number, bad in enumerate(_list_bad(stage, planned)):
        await stage.sleep_until(stage.scenario.at(_FIRST_AFTER_H + number * _EVERY_H))
        envelope = bad.but(time=stage.clock.now())
        await stage.publisher.publish(TopicName.REQUESTS, envelope)
        stage.sent.note_envelope(envelope, accepted=True)
        stage.board.bad += 1
        stage.board.note(
            stage.clock.now(), "request", "坏消息送入 Kafka", "a bad message goes onto Kafka"
        )
