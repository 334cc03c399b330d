"""The shared parts of the routes' OpenAPI document: hand-read bodies, and problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from gateway.http.problems import MEDIA_TYPE, TITLES
from models.events.hand_work import (
    BagGiven,
    BagTakenBack,
    CallsResumed,
    CallsStoodDown,
    HoldEnded,
    HoldPlaced,
    TransferStoodDown,
)
from models.patient_records import PatientChange
from models.requests import Amendment, Cancellation, QuantityConfirmation, UrgentRequest

_REF = "#/components/schemas/{model}"
Schema = dict[str, Any]

PROBLEM: Schema = {
    "title": "Problem",
    "description": "RFC 9457",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:xuelian:problem:request_ended"]},
        "title": {"type": "string", "examples": ["与现状冲突 · In conflict with how things stand"]},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["request_ended"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "rule", "what_to_do"],
                "properties": {
                    "field": {"type": "string"},
                    "rule": {"type": "string"},
                    "what_to_do": {"type": "string"},
                    "code": {"type": "string", "description": "of a file · 仅导入文件"},
                    "sheet": {"type": "string"},
                    "rows": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "integer"}},
                        "examples": [[[2, 31], [40, 40]]],
                    },
                    "column": {"type": "string", "examples": ["group"]},
                    "found": {"type": "array", "items": {"type": "string"}},
                    "count": {"type": "integer", "description": "数组里同一错误的个数 · alike"},
                    "places": {
                        "type": "array",
                        "items": {"type": "string"},
                        "examples": [["routes.0.eta_s", "routes.1.eta_s"]],
                    },
                },
            },
        },
    },
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its own problems, and those of every route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        status: {"description": str(TITLES[status]), "content": content}
        for status in sorted({*statuses, 401, 403, 503})
    }


def body(name: str, examples: Mapping[str, Schema]) -> Schema:
    """Return the `requestBody` of a JSON body that the route reads itself."""
    content = {"schema": {"$ref": _REF.format(model=name)}, "examples": dict(examples)}
    return {"required": True, "content": {"application/json": content}}


def file_body(
    *, csv_example: str, json_schema: Schema, json_examples: Mapping[str, Schema]
) -> Schema:
    """Return the `requestBody` of an import."""
    return {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": csv_example},
            "application/json": {"schema": json_schema, "examples": dict(json_examples)},
        },
    }


def _without(model: type[BaseModel], *names: str, optional: str | None = None) -> Schema:
    schema = model.model_json_schema(ref_template=_REF)
    for name in names:
        schema["properties"].pop(name)
    gone = {*names, optional}
    schema["required"] = [name for name in schema.get("required", ()) if name not in gone]
    return schema


def _hand_read() -> dict[str, Schema]:
    """Return the models of bodies that are read by hand, with the schemas they refer to."""
    schemas = {
        "NewRequest": _without(UrgentRequest, "request_id", "station_id", optional="hospital_id"),
        "RequestChange": _without(
            Amendment, "request_id", "station_id", "hospital_id", "amended_by"
        ),
        "BagGift": _without(BagGiven, "request_id", "station_id", "hospital_id"),
        "BagReturn": _without(BagTakenBack, "request_id", "station_id", "hospital_id", "unit_id"),
        "NewHold": _without(HoldPlaced, "station_id"),
        "HoldEnd": _without(HoldEnded, "station_id", "unit_id"),
        "CallStandDown": _without(CallsStoodDown, "station_id", "cause_id"),
        "CallResumption": _without(CallsResumed, "station_id", "cause_id"),
        "TransferStandDown": _without(
            TransferStoodDown, "transfer_id", "from_station_id", "to_station_id"
        ),
        "PatientRecordChange": _without(
            PatientChange, "hospital_id", "station_id", "reference", "changed_by"
        ),
        "RequestConfirmation": _without(
            QuantityConfirmation, "request_id", "station_id", "hospital_id", "amended_by"
        ),
        "RequestCancellation": _without(
            Cancellation, "request_id", "station_id", "hospital_id", "cancelled_by"
        ),
    }
    found: dict[str, Schema] = {"Problem": PROBLEM}
    for name, schema in schemas.items():
        found.update(schema.pop("$defs", {}))
        found[name] = {**schema, "title": name}
    return found


def _describe_faults(responses: dict[str, Any]) -> None:
    """Document that faulty input is answered with a problem and 400, not the framework's 422."""
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
        for status, problem in problems(400).items():
            responses.setdefault(str(status), problem)


def describe(app: FastAPI) -> Schema:
    """Return the OpenAPI document of the app; it is built once, on first demand."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        components = document.setdefault("components", {})
        components["schemas"] = {**_hand_read(), **components.get("schemas", {})}
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "bearerFormat": "xl_<key_id>_<secret>"}
        }
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path.startswith("/v1/"):
                    operation["security"] = [{"key": []}]
                _describe_faults(operation["responses"])
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema
