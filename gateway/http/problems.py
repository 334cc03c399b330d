"""Builds RFC 9457 problem documents from errors; holds the only table of statuses.

No internal detail leaves the process: an answer has only the code of an error, its text, and the
names of the fields that the caller sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.responses import Response

from gateway.invalid_content import FieldError, InvalidContent
from models.errors import (
    ConfigurationError,
    ContractError,
    DomainRefusal,
    InvariantViolation,
    TransientError,
    XuelianError,
)
from models.texts import Text, render

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:xuelian:problem:"
RETRY_AFTER_S = 2

STATUS_OF_FAMILY: Mapping[type[XuelianError], int] = {
    ContractError: 400,
    DomainRefusal: 422,
    TransientError: 503,
    ConfigurationError: 500,
    InvariantViolation: 500,
}

STATUS_OF_CODE: Mapping[str, int] = {
    "api_key_missing": 401,
    "api_key_invalid": 401,
    "scope_not_allowed": 403,
    "facility_not_yours": 403,
    "donation_of_other_station": 403,
    "confirmation_not_yours": 403,
    "path_unknown": 404,
    "request_unknown": 404,
    "version_unknown": 404,
    "patient_unknown": 404,
    "request_of_other_hospital": 404,
    "call_out_unknown": 404,
    "donor_not_registered": 404,
    "shortage_unknown": 404,
    "transfer_unknown": 404,
    "call_cause_unknown": 404,
    "alert_unknown": 404,
    "disaster_unknown": 404,
    "donation_unknown": 404,
    "api_key_unknown": 404,
    "method_not_allowed": 405,
    "request_ended": 409,
    "record_changed": 409,
    "facility_not_registered": 404,
    "line_already_issued": 409,
    "shortage_cleared": 409,
    "alert_not_held": 409,
    "not_an_exercise": 409,
    "preview_file_changed": 409,
    "preview_stock_changed": 409,
    "difference_not_open": 409,
    "count_unknown": 404,
    "record_too_large": 413,
    "media_type_unknown": 415,
    "hospital_unknown": 422,
    "request_of_other_station": 422,
    "idempotency_key_reused": 422,
    "identity_reused": 422,
    "event_id_reused": 422,
    "request_id_reused": 422,
    "scans_refused": 422,
    "units_refused": 422,
}
"""The statuses of codes that differ from the status of their family."""

_FIX_OF_FIELD: Mapping[str, str] = {
    "identity_reused": "fix_identity",
    "field_twice": "fix_field_twice",
    "parameter_twice": "fix_stated_twice",
    "header_twice": "fix_stated_twice",
}
"""The text that says what to do, for codes that blame a single field."""

TITLES: Mapping[int, Text] = {
    400: Text("请求无法理解", "Not understood"),
    401: Text("需要有效的密钥", "A valid key is needed"),
    403: Text("无权做这件事", "Not permitted"),
    404: Text("没有找到", "Not found"),
    405: Text("方法不支持", "Method not allowed"),
    409: Text("与现状冲突", "In conflict with how things stand"),
    413: Text("内容太大", "Too large"),
    415: Text("内容类型不支持", "Content type not supported"),
    422: Text("不能接受", "Not accepted"),
    500: Text("系统内部错误", "An error of ours"),
    503: Text("暂时不可用，请重试", "Away for the moment: try again"),
}


def status_of(error: XuelianError) -> int:
    """Return the HTTP status of an error: by its code, else by its family."""
    family = next(family for family in STATUS_OF_FAMILY if isinstance(error, family))
    return STATUS_OF_CODE.get(error.code, STATUS_OF_FAMILY[family])


def status_of_code(code: str) -> int:
    """Return the status of a code whose family is not known, such as the code of a dead letter."""
    return STATUS_OF_CODE.get(code, 422)


def to_response(error: XuelianError) -> Response:
    """Make the problem document of an error."""
    status = status_of(error)
    fields = error.fields if isinstance(error, InvalidContent) else ()
    if not fields and error.code.startswith("idempotency_key"):
        fields = (FieldError("Idempotency-Key", str(render(error.code)), render("fix_header")),)
    elif not fields and error.code in _FIX_OF_FIELD:
        told = render(error.code, error.params)
        fix = render(_FIX_OF_FIELD[error.code])
        fields = (FieldError(str(error.params["field"]), str(told), fix),)
    return build(status=status, code=error.code, params=error.params, fields=fields)


def build(
    *,
    status: int,
    code: str,
    params: Mapping[str, object] | None = None,
    fields: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build a problem document.

    Args:
        status: HTTP status.
        code: Names the kind of problem and its texts.
        params: Parameters of the texts.
        fields: Every field that is wrong.
        headers: Headers beside those that the status needs.
    """
    document = {
        "type": TYPE_PREFIX + code,
        "title": str(TITLES.get(status, TITLES[400])),
        "status": status,
        "detail": str(render(code, params)),
        "code": code,
        "errors": [field.to_json() for field in fields],
    }
    own: dict[str, str] = {}
    if status == 503:  # noqa: PLR2004 - the status itself
        own["Retry-After"] = str(RETRY_AFTER_S)
    elif status == 401:  # noqa: PLR2004 - the same
        own["WWW-Authenticate"] = 'Bearer realm="xuelian"'
    return Response(
        orjson.dumps(document),
        status_code=status,
        headers={**own, **(headers or {})},
        media_type=MEDIA_TYPE,
    )
