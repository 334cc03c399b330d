"""The OpenAPI document: complete, in both languages, with examples that are valid."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from gateway.files.donor_imports import parse_donors_json
from gateway.files.stock_imports import ReleaseTerms, parse_units_json
from gateway.gateway_parts import GatewayParts
from gateway.http import examples
from gateway.http.app import create_app
from gateway.http.routes.call_outs import NewAnswer
from gateway.http.routes.donations import NewRecall, NewResults, NewSplit
from gateway.http.routes.journeys import Routes
from gateway.http.routes.reconciliations import ClosingBody
from gateway.http.routes.shortages import NewOffer
from gateway.http.routes.stock import NewStockChange
from gateway.scans.batch import NewScan
from models.alerts import Alert
from models.events.hand_work import (
    BagGiven,
    BagTakenBack,
    CallsResumed,
    CallsStoodDown,
    HoldEnded,
    HoldPlaced,
    TransferStoodDown,
)
from models.events.stock import Attestation
from models.facilities import Hospital, Station
from models.patient_records import PatientChange
from models.requests import Amendment, Cancellation, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.clock import SystemClock
from streams.settings import Settings
from tests.support.imports import parse_donors_csv, parse_units_csv

IDS = {
    "request_id": "r",
    "station_id": "s",
    "hospital_id": "h",
    "reference": "P1",
    "cause_id": "c",
    "transfer_id": "t",
    "from_station_id": "s1",
    "to_station_id": "s2",
}


OF_A_BAG = {BagTakenBack, HoldEnded}
"""The path names the bag."""


def _build_document() -> dict[str, Any]:
    """No part is touched before the app starts, so none is needed for its description."""
    nothing = cast("Any", None)
    parts = GatewayParts(
        settings=Settings(),
        database=nothing,
        publisher=nothing,
        tail=nothing,
        clock=SystemClock(),
        directories=nothing,
        probe_kafka=nothing,
        measure_unread=nothing,
        rules=PACKAGED,
    )
    return create_app(parts).openapi()


DOCUMENT = _build_document()
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
BODIES = [param for param in OPERATIONS if "requestBody" in cast("Any", param.values[2])]


def test_everything_is_there() -> None:
    assert len(OPERATIONS) >= 23
    assert len(BODIES) >= 12


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_summaries_are_bilingual_and_faults_documented(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    zh, _, en = operation["summary"].partition(" · ")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in zh), method
    assert en
    assert "422" not in operation["responses"] or "Problem" in str(operation["responses"]["422"])
    if path.startswith("/v1/"):
        assert operation["security"] == [{"key": []}]
        assert {"401", "403", "503"} <= set(operation["responses"])


@pytest.mark.parametrize(("path", "method", "operation"), BODIES)
def test_every_body_has_an_example(path: str, method: str, operation: dict[str, Any]) -> None:
    content = operation["requestBody"]["content"]
    assert content["application/json"]["examples"], f"{method} {path}"


def _refs(node: object) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(_refs(value) for value in node.values()))
    if isinstance(node, list):
        return set[str]().union(*(_refs(value) for value in node))
    return set()


def test_every_reference_leads_somewhere() -> None:
    for ref in _refs(DOCUMENT):
        node: Any = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            node = node[part]


def test_a_caller_cannot_choose_identifiers() -> None:
    schema = DOCUMENT["components"]["schemas"]["NewRequest"]
    assert "request_id" not in schema["properties"]
    assert "station_id" not in schema["properties"]
    assert "hospital_id" not in schema["required"]
    assert "patient" in schema["required"]


@pytest.mark.parametrize(
    ("model", "some"),
    [
        (UrgentRequest, examples.REQUEST),
        (Amendment, examples.AMENDMENT),
        (Cancellation, examples.CANCELLATION),
        (PatientChange, examples.PATIENT_CHANGE),
        (BagGiven, examples.BAG_GIVEN),
        (BagTakenBack, examples.BAG_TAKEN_BACK),
        (HoldPlaced, examples.HOLD),
        (HoldEnded, examples.HOLD_END),
        (CallsStoodDown, examples.STOOD_DOWN),
        (CallsResumed, examples.RESUMED),
        (TransferStoodDown, examples.TRANSFER_STOOD_DOWN),
    ],
)
def test_examples_of_hand_read_bodies_are_valid(model: Any, some: dict[str, Any]) -> None:  # noqa: ANN401 - any model
    ids = {name: told for name, told in IDS.items() if name in model.model_fields}
    for example in some.values():
        told = {"unit_id": "U1", **example["value"]} if model in OF_A_BAG else example["value"]
        TypeAdapter(model).validate_python({**told, **ids})


def test_examples_of_imports_are_valid() -> None:
    count = dict(examples.STOCK["example"]["value"])
    units = count.pop("units")
    own = Attestation(released_by=count["released_by"], released_at=count["released_at"])
    donors = examples.DONORS["example"]["value"]["donors"]
    for errors in (
        parse_units_csv(examples.STOCK_CSV, station_id="s", releasing=ReleaseTerms()).errors,
        parse_units_json(units, station_id="s", releasing=ReleaseTerms(attestation=own)).errors,
        parse_donors_csv(examples.DONORS_CSV, station_id="s").errors,
        parse_donors_json(donors, station_id="s").errors,
    ):
        assert not errors


def test_examples_of_framework_bodies_are_valid() -> None:
    for model, some in (
        (Alert, examples.ALERT),
        (NewAnswer, examples.ANSWER),
        (NewOffer, examples.OFFER),
        (NewStockChange, examples.CHANGE),
        (NewResults, examples.RESULTS),
        (NewSplit, examples.SPLIT),
        (NewRecall, examples.RECALL),
        (NewScan, examples.SCAN),
        (ClosingBody, examples.CLOSING),
        (Station, examples.STATION),
        (Hospital, examples.HOSPITAL),
        (Routes, examples.ROUTES),
    ):
        for example in some.values():
            TypeAdapter(model).validate_python(example["value"])
