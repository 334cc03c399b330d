"""Lists what neighbours were told of a shortage and what they answered, as recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.reason_texts import explain
from models.shortages import OfferStatus, TransferStatus
from models.texts import join_texts, render

if TYPE_CHECKING:
    from gateway.uncovered_needs import BloodSources, Want

Row = Mapping[str, Any]


def list_neighbour_steps(
    lacking: Sequence[Want], sources: BloodSources
) -> Iterator[dict[str, Any]]:
    """Yield to whom the shortage was announced, who declined, and what had come."""
    if not sources.neighbours:
        yield explain("sought_no_neighbour")
        return
    stations = " ".join(sources.neighbours)
    announced = {(row["component"], row["blood_group"]) for row in sources.shortages}
    told = [want for want in lacking if (want.component, want.place) in announced]
    untold = sorted({str(want.component) for want in lacking if want not in told})
    if told:
        yield explain("sought_neighbours", {"stations": stations})
    if untold:
        params = {"stations": stations, "components": ", ".join(untold)}
        yield explain("sought_not_announced", params)
    answers = [
        row
        for row in sources.offers
        if any(want.is_served_by(row, row["units_group"]) for want in lacking)
    ]
    yield from _list_declined(answers)
    yield from _list_arrived(sources.transfers)
    if told and not answers:
        yield explain("sought_no_offer")


def _list_declined(answers: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield the neighbours whose last offer was not taken, and why."""
    last = {row["from_station_id"]: row for row in answers}
    for station_id, row in sorted(last.items()):
        if row["status"] != OfferStatus.DECLINED:
            continue
        why = join_texts(render(reason["code"], reason.get("params")) for reason in row["reasons"])
        yield explain("sought_offer_declined", {"from_id": station_id, "reasons": str(why)})


def _list_arrived(transfers: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in transfers:
        if row["status"] == TransferStatus.COMPLETED and row["arrived"]:
            params = {"from_id": row["from_station_id"], "count": row["arrived"]}
            yield explain("sought_transfer_arrived", params)
