"""The laboratory of a station: it tests donations and reports each result by itself.

A donation that fails is reactive in two runs; then only the system discards its units.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from demo.actor_context import DrillStage
from demo.http_clients import list_event_ids
from models.events.donations import DonationTested
from models.laboratory import LabResult, LabTest
from models.rules.rulebook import PACKAGED

_METHODS = {
    LabTest.NAT: "PCR (HBV, HCV, HIV)",
    LabTest.ALT: "rate method",
    LabTest.GROUPING: "microplate",
}


def make_results(
    donation_id: str, group: str, *, is_clear: bool, at: datetime
) -> tuple[LabResult, ...]:
    """Make the results of a donation; a donation that fails is reactive for HBsAg, twice."""
    rules, found = PACKAGED.testing, list[dict[str, Any]]()
    for test in (*rules.serology.tests, LabTest.NAT, *rules.grouping.tests):
        fails = test is LabTest.HBSAG and not is_clear
        told = (
            {"group": group}
            if test is LabTest.GROUPING
            else {"outcome": "reactive" if fails else "nonreactive"}
        )
        runs = range(1, 3 if fails else 2)
        found += [{"test": test, "run": run, **told} for run in runs]
    return tuple(
        LabResult.model_validate(
            {
                **{name: value for name, value in row.items() if name != "run"},
                "result_id": f"{donation_id}-{row['test']}-{row['run']}",
                "method": _METHODS.get(row["test"], "ELISA"),
                "run_id": f"run-{donation_id}-{row['run']}",
                "performed_at": at,
                "performed_by": "laboratory (synthetic)",
            }
        )
        for row in found
    )


async def send_results(
    stage: DrillStage, station_id: str, donation_id: str, group: str, *, is_clear: bool
) -> None:
    """Send the results of a donation to the gateway, and note each in the sent log."""
    results = make_results(donation_id, group, is_clear=is_clear, at=stage.clock.now())
    answer = await stage.door("station", station_id).call(
        "POST",
        f"/v1/stations/{station_id}/donations/{donation_id}/results",
        body={"results": [result.model_dump(mode="json", exclude_none=True) for result in results]},
        idempotency_key=f"{donation_id}-results",
    )
    for event_id, result in zip(list_event_ids(answer), results, strict=True):
        event = DonationTested(station_id=station_id, donation_id=donation_id, result=result)
        stage.sent.note(
            event_id=event_id,
            source=f"station/{station_id}",
            event_type=event.TYPE,
            subject=donation_id,
            accepted=answer.is_accepted,
            body=event.model_dump(mode="json", exclude_none=True),
        )
