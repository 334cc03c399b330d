"""Turns every error into a problem document: ours, the framework's, and unforeseen ones."""

from __future__ import annotations

import secrets
import traceback

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.http import problems
from gateway.http.middleware import BodyTooLargeError
from gateway.invalid_content import of_validation
from models.errors import ConfigurationError, ContractError, InvariantViolation, XuelianError

log = structlog.get_logger(__name__)

_CODE_OF_STATUS = {404: "path_unknown", 405: "method_not_allowed"}


def install(app: FastAPI) -> None:
    """Register the handlers. Starlette raises an unforeseen exception again after its answer."""
    app.add_exception_handler(XuelianError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unforeseen)


async def _answer_ours(request: Request, error: Exception) -> Response:
    if isinstance(error, InvariantViolation | ConfigurationError):
        return await _answer_unforeseen(request, error)
    if not isinstance(error, XuelianError):
        raise error
    return problems.to_response(error)


async def _answer_validation(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        text, at = str(error.body), int(found[0]["loc"][-1])
        told = ContractError(
            "body_not_json",
            line=text.count("\n", 0, at) + 1,
            column=at - text.rfind("\n", 0, at),
            detail=str(found[0]["msg"])[:200],
        )
        return problems.to_response(told)
    return problems.to_response(of_validation(found))


async def _answer_http(request: Request, error: Exception) -> Response:
    del request
    if isinstance(error, BodyTooLargeError):
        told = ContractError("record_too_large", found=error.found, limit=error.limit)
        return problems.to_response(told)
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, UnicodeDecodeError):
        return problems.to_response(ContractError("body_not_utf8"))
    code = _CODE_OF_STATUS.get(error.status_code, "http_error")
    return problems.build(status=error.status_code, code=code, headers=error.headers)


async def _answer_unforeseen(request: Request, error: Exception) -> Response:
    """Answer without any internal detail; the reference leads to the entry in the log."""
    reference = secrets.token_hex(6)
    # Formatted here: a renderer that shows local variables would write personal data to the log.
    trace = "".join(traceback.format_exception(error))
    log.error("unforeseen_fault", reference=reference, path=request.url.path, trace=trace)
    return problems.build(status=500, code="internal_error", params={"reference": reference})
