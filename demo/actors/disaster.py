"""The disaster feed: an alert and its revisions, each sent at the hour it was published."""

from __future__ import annotations

from collections.abc import Iterator

from demo.actor_context import DrillStage
from demo.http_clients import list_event_ids
from models.alerts import Alert, AlertKind
from models.events.alerts import AlertReceived


def list_alerts(stage: DrillStage) -> Iterator[Alert]:
    """Yield the revisions in order, as messages of one event."""
    event = stage.scenario.event
    for number, revision in enumerate(stage.scenario.alerts.revision, start=1):
        kind = revision.kind or (AlertKind.ALERT if number == 1 else AlertKind.UPDATE)
        yield Alert(
            alert_id=f"{event.event_key}-r{number}",
            event_key=event.event_key,
            revision=number,
            kind=kind,
            headline=revision.headline,
            source=revision.source,
            sent_at=revision.sent_at,
            occurred_at=event.occurred_at,
            location=event.location,
            depth_km=event.depth_km,
            magnitude=revision.magnitude,
            exposures=revision.exposures,
            casualties=revision.casualties,
        )


async def run_disaster_feed(stage: DrillStage) -> None:
    """Send every revision at its simulated hour."""
    door = stage.door("disaster")
    for alert in list_alerts(stage):
        await stage.sleep_until(alert.sent_at)
        answer = await door.call(
            "POST",
            "/v1/alerts",
            body=alert.model_dump(mode="json", exclude_none=True),
            idempotency_key=alert.alert_id,
        )
        for event_id in list_event_ids(answer):
            stage.sent.note(
                event_id=event_id,
                source="feed",
                event_type=AlertReceived.TYPE,
                subject=alert.event_key,
                accepted=answer.is_accepted,
                body={"alert": alert.model_dump(mode="json", exclude_none=True)},
            )
        zh, _, en = alert.headline.partition(" · ")
        stage.board.note(stage.clock.now(), "alert", f"预警 r{alert.revision}：{zh}", en or zh)
