"""Builds and sends a request of `xuelian request`: a body of options or of a file, with its key.

A request for blood is sent once. When it is not known to be kept, the user is told the key under
which sending it again is safe.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from cli.files import read_json
from cli.gateway import GatewayClient
from cli.output import Output
from cli.repeat_command import make_key, repeat_told
from deploy.local.resolved_settings import load_settings
from gateway.files.cells import CellError, read_group
from gateway.files.products import find_product
from models.components import Component
from models.doses import OrderMeasure, find_ordering_unit
from models.errors import ContractError
from models.groups import BloodGroup
from models.texts import render
from models.texts.words import list_field_names, list_value_names
from streams.clock import parse_clock
from streams.settings import Settings

_AMOUNT = re.compile(r"(\d+)\s*(\D*)")
_MEASURES = {
    "": OrderMeasure.UNIT,
    "u": OrderMeasure.UNIT,
    "单位": OrderMeasure.UNIT,
    "治疗量": OrderMeasure.UNIT,
    "dose": OrderMeasure.UNIT,
    "doses": OrderMeasure.UNIT,
    "袋": OrderMeasure.BAG,
    "bag": OrderMeasure.BAG,
    "bags": OrderMeasure.BAG,
    "ml": OrderMeasure.ML,
    "毫升": OrderMeasure.ML,
}
"""What is written behind a number of `--need`."""
_ORDERED_IN = {"u": "U", "单位": "U", "治疗量": "dose", "dose": "dose", "doses": "dose"}
"""Words that name an ordering unit, which the component must be ordered in."""
_WEIGHTS = frozenset({"kg", "公斤"})
"""Written behind the weight of the patient that the dose is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `request new`; an item of `needs` is written `component=quantity`."""

    hospital: str | None
    needs: tuple[str, ...]
    packs: int
    group: str | None
    sex: str | None
    age: int | None
    age_estimated: bool
    antibodies: tuple[str, ...]
    attributes: tuple[str, ...]
    priority: str
    within_h: float
    needed_by: str | None = None
    note: str
    reference: str | None = None
    basis: str | None = None

    def to_body(self, settings: Settings) -> dict[str, Any]:
        """Return the body; the gateway judges its values."""
        patient = {
            "reference": self.reference,
            "group": _read_group(self.group),
            "group_basis": self.basis,
            "sex": self.sex,
            "age_years": self.age,
            "age_estimated": self.age_estimated or None,
            "antibodies": list(self.antibodies) or None,
        }
        # In a drill the system's clock differs from the wall clock.
        needed_by = parse_clock(settings.clock).now() + timedelta(hours=self.within_h)
        body = {
            "hospital_id": self.hospital,
            "patient": drop_missing(patient),
            "priority": self.priority,
            "needed_by": self.needed_by or needed_by.isoformat(),
            "lines": [self._to_line(number, need) for number, need in enumerate(self.needs, 1)],
            "massive_transfusion_packs": self.packs,
            "note": self.note,
        }
        return drop_missing(body)

    def _to_line(self, number: int, need: str) -> dict[str, Any]:
        component, _, told = need.partition("=")
        asked = _read_amount(told)
        if not component or asked is None:
            limits = render("broken_field_quantity")
            raise typer.BadParameter(
                f"{need}：写成 成分=数量，如 red_cells=4（U）、red_cells=2bag、"
                f"fresh_frozen_plasma=400ml、cryoprecipitate=60kg（按患者体重）；"
                f"{limits.zh} · {need}: write component=quantity, such as red_cells=4 (in U), "
                f"red_cells=2bag, fresh_frozen_plasma=400ml or cryoprecipitate=60kg (by weight); "
                f"{limits.en}",
                param_hint="--need",
            )
        product = find_product(component)
        named = component if product is None else product.component
        _ensure_ordered_so(named, told, need)
        return {
            "line_no": number,
            "component": named,
            **asked,
            "attributes": {
                **dict.fromkeys(() if product is None else product.treatments, True),
                **dict(_to_attribute(text) for text in self.attributes),
            },
        }


def _read_amount(told: str) -> dict[str, Any] | None:
    """Return what a line states of its amount, or None if it cannot be read."""
    amount = _AMOUNT.fullmatch(told.strip().casefold())
    if amount is None:
        return None
    if amount[2] in _WEIGHTS:
        return {"for_weight_kg": int(amount[1])}
    measure = _MEASURES.get(amount[2])
    return None if measure is None else {"measure": measure, "quantity": int(amount[1])}


def _ensure_ordered_so(component: str, told: str, need: str) -> None:
    """Refuse U of what is ordered in doses, and doses of what is ordered in U.

    10 U of platelets by apheresis are one dose to whoever writes them so, and ten doses to us.
    """
    amount = _AMOUNT.fullmatch(told.strip().casefold())
    word = _ORDERED_IN.get(amount[2]) if amount else None
    if word is None or component not in set(Component):
        return
    unit = find_ordering_unit(Component(component)).unit
    if unit != word:
        counted = list_value_names().get(unit, unit)
        raise typer.BadParameter(
            f"{need}：{component} 以 {counted} 计（单采血小板 10 U 即一个治疗量） · "
            f"{need}: {component} is ordered in {unit} (10 U by apheresis are one dose)",
            param_hint="--need",
        )


def _read_group(told: str | None) -> str | None:
    """Return the code of a group given by any of its names; the gateway refuses an unknown name."""
    try:
        found = read_group(told) if told else None
    except CellError:
        return told
    # ABO alone is sent as it was written, so that the refusal quotes the user's words.
    return found if found in set(BloodGroup) else told


def _to_attribute(text: str) -> tuple[str, object]:
    """`irradiated` (`辐照`) is a flag; `max_age_d=14` a number; `antigen_negative=E,c` a list."""
    word, given, value = text.partition("=")
    name = next((field for field, known in list_field_names().items() if known == word), word)
    if not given:
        return name, True
    return name, int(value) if value.isdecimal() else value.split(",")


def drop_missing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def read_json_file(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; `-` is standard input.

    Raises:
        ContractError: As `read_json` raises, or `file_not_object`.
    """
    _, content = read_json(path)
    if not isinstance(content, dict):
        raise ContractError("file_not_object", path=str(path))
    return content


def send_request(
    asked: Asked, *, file: Path | None, wait_s: int, key: str | None, out: Output
) -> dict[str, Any]:
    settings = load_settings()
    body = read_json_file(file) if file is not None else asked.to_body(settings)
    settled = {} if file is not None else {"--needed-by": str(body["needed_by"])}
    message = _Message(path="/v1/requests", body=body, settled=settled)
    return _send(settings, message, wait_s=wait_s, key=key, out=out)


def send_amendment(
    request_id: str, body: Mapping[str, Any], *, wait_s: int, key: str | None, out: Output
) -> dict[str, Any]:
    needed_by = body.get("needed_by")
    settled = {"--needed-by": str(needed_by)} if needed_by else {}
    message = _Message(
        method="PATCH", path=f"/v1/requests/{request_id}", body=body, settled=settled
    )
    return _send(load_settings(), message, wait_s=wait_s, key=key, out=out)


def send_confirmation(
    request_id: str, *, by: str, wait_s: int, key: str | None, out: Output
) -> dict[str, Any]:
    message = _Message(
        path=f"/v1/requests/{request_id}/confirm",
        body={"quantity_confirmed_by": by},
        settled={"--by": by},
    )
    return _send(load_settings(), message, wait_s=wait_s, key=key, out=out)


def send_cancellation(
    request_id: str, *, reason: str, wait_s: int, key: str | None, out: Output
) -> dict[str, Any]:
    message = _Message(
        path=f"/v1/requests/{request_id}/cancel",
        body={"reason": reason},
        settled={"--reason": reason},
    )
    return _send(load_settings(), message, wait_s=wait_s, key=key, out=out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """What is sent of a request.

    Attributes:
        settled: The options that sending it again must repeat, with the values they got.
    """

    method: str = "POST"
    path: str
    body: object
    settled: Mapping[str, str]


def send_by_hand(
    path: str,
    body: Mapping[str, Any],
    *,
    settled: Mapping[str, str],
    wait_s: int,
    key: str | None,
    out: Output,
) -> dict[str, Any]:
    """Send what a dispatcher decides of a bag of a request; `path` begins behind the request."""
    message = _Message(path=f"/v1/requests/{path}", body=body, settled=settled)
    return _send(load_settings(), message, wait_s=wait_s, key=key, out=out)


def _send(
    settings: Settings, message: _Message, *, wait_s: int, key: str | None, out: Output
) -> dict[str, Any]:
    key = make_key(key)
    headers = {"Idempotency-Key": key}
    if wait_s:
        headers["Prefer"] = f"wait={wait_s}"
    with (
        GatewayClient(settings, wait_s=wait_s) as gateway,
        out.progress("等待决定 · waiting for the decision"),
        repeat_told({**message.settled, "--idempotency-key": key}),
    ):
        return gateway.call(message.method, message.path, json=message.body, headers=headers)
