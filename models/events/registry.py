"""The registry of events, from wire type to class; upcasters read old versions one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from models.doses import OrderMeasure
from models.errors import ContractError
from models.events import (
    alerts,
    audit,
    donations,
    donors,
    hand_work,
    refusals,
    requests,
    shortages,
    stock,
)
from models.events.base import EventData
from models.strict_json import drop_mark, load_strictly
from models.texts.validation import describe_broken, list_true

EVENT_CLASSES: Mapping[str, type[EventData]] = {
    event_class.TYPE: event_class
    for event_class in (
        requests.RequestOpened,
        requests.RequestAmended,
        requests.RequestCancelled,
        requests.PatientChanged,
        hand_work.BagGiven,
        hand_work.BagTakenBack,
        hand_work.HoldPlaced,
        hand_work.HoldEnded,
        hand_work.CallsStoodDown,
        hand_work.CallsResumed,
        hand_work.TransferStoodDown,
        requests.RequestDecided,
        stock.StockCounted,
        stock.StockChanged,
        donations.DonationTested,
        donations.DonationSplit,
        donations.DonationRecalled,
        donations.RecallNotified,
        stock.DifferencesClosed,
        alerts.AlertReceived,
        alerts.AlertUnanswered,
        alerts.ActivationOpened,
        alerts.ActivationRevised,
        alerts.ActivationStoodDown,
        alerts.DonorsMissing,
        donors.CallOutIssued,
        donors.CallOutClosed,
        donors.DonationGroupDiffers,
        donors.CallOutAnswered,
        shortages.ShortageDeclared,
        shortages.ShortageChanged,
        shortages.ShortageCleared,
        shortages.OfferMade,
        shortages.OfferDeclined,
        shortages.TransferAgreed,
        shortages.TransferCompleted,
        audit.AuditSealed,
        refusals.RecordRefused,
    )
}

Upcaster = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]


def _count_bags(event_type: str, name: str) -> Upcaster:
    """Return an upcaster: until version 2, the lines of a request counted bags."""

    def upcast(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        asked = body.get(name)
        if not isinstance(asked, dict) or not isinstance(lines := asked.get("lines"), list):
            return event_type, body
        counted = [
            {"measure": OrderMeasure.BAG, **line} if isinstance(line, dict) else line
            for line in lines
        ]
        return event_type, {**body, name: {**asked, "lines": counted}}

    return upcast


UPCASTERS: Mapping[str, Upcaster] = {
    "blood.request.opened.v1": _count_bags("blood.request.opened.v2", "request"),
    "blood.request.amended.v1": _count_bags("blood.request.amended.v2", "amendment"),
}
"""Old wire type to a function that returns the next wire type and its body."""


def decode_event(event_type: str, body: bytes) -> EventData:
    """Decode a body of a known wire type, upcast to its newest version.

    Args:
        event_type: The `ce_type` of the record.
        body: JSON, UTF-8.

    Raises:
        ContractError: `event_type_unknown`, `event_version_unknown`, `body_not_json`,
            `body_nested_too_deep`, `body_not_utf8`, `field_twice`, or `body_invalid` with the
            first field that failed and its rule.
    """
    if event_type not in EVENT_CLASSES and event_type not in UPCASTERS:
        raise _unknown(event_type)
    content = load_strictly(body)
    if event_type in EVENT_CLASSES:
        return _validate(EVENT_CLASSES[event_type], drop_mark(body))
    while event_type in UPCASTERS:
        event_type, content = UPCASTERS[event_type](content)
    return _validate(EVENT_CLASSES[event_type], json.dumps(content).encode())


def _unknown(event_type: str) -> ContractError:
    name, _, version = event_type.rpartition(".v")
    known = [known for known in (*UPCASTERS, *EVENT_CLASSES) if known.rpartition(".v")[0] == name]
    if known and version.isdigit():
        return ContractError("event_version_unknown", found=event_type, known=", ".join(known))
    return ContractError("event_type_unknown", found=event_type[:120])


def _validate(event_class: type[EventData], body: bytes) -> EventData:
    try:
        return event_class.model_validate_json(body)
    except ValidationError as error:
        found = list_true(error.errors(include_url=False, include_input=False))
        first = found[0]
        if first["type"] == "json_invalid":
            # The strict parser took the body: the two parsers differ only in the depth they allow.
            raise ContractError("body_nested_too_deep") from error
        field = ".".join(str(part) for part in first["loc"]) or "(body)"
        raise ContractError(
            "body_invalid",
            field=field,
            rule=str(describe_broken(first))[:600],
            errors=len(found),
        ) from error
