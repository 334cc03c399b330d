"""The command line's view of a running gateway: one call, one answer or one failure.

Owns the HTTP client and the reading of problem documents. Sends nothing twice by itself: a request
for blood goes out again only when the user says so, with the same Idempotency-Key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx

from cli.failures import Failure, GatewayRefusedError
from cli.texts import AT_A_TERMINAL
from deploy.local.exit_codes import ExitCode
from models.errors import ConfigurationError, TransientError
from models.texts import render
from models.texts.words import name_field
from streams.settings import Settings

_TIMEOUT_S = 10.0
_FIRST_ERROR_STATUS = 400


class GatewayClient:
    """Calls one gateway with one key; a context manager.

    Args:
        settings: `gateway_url` and `api_key`.
        wait_s: Real seconds that the gateway may wait on purpose, on top of the network's time.
    """

    def __init__(self, settings: Settings, *, wait_s: float = 0) -> None:
        self._url = settings.gateway_url.rstrip("/")
        self._key = settings.api_key.get_secret_value() if settings.api_key else None
        # The gateway is on loopback or the station's network: the environment's proxy is not used.
        self._http = httpx.Client(base_url=self._url, timeout=_TIMEOUT_S + wait_s, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        of_one: bool = False,
    ) -> dict[str, Any]:
        """Call and return the JSON object of the answer.

        With `of_one`, one record was sent and no file: a refusal names its fields and no rows.

        Raises:
            GatewayRefusedError: It answered with a problem.
            TransientError: `gateway_away`.
            ConfigurationError: `api_key_not_set`, or what answered is no gateway of ours.
        """
        with self._translated():
            answer = self._http.request(
                method,
                path,
                params=_given(params),
                headers={**self._authorization(), **(headers or {})},
                json=json,
            )
        return self._read(answer, of_one=of_one)

    def upload(
        self,
        path: str,
        content: bytes,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str],
    ) -> dict[str, Any]:
        """Send a file as it is and return the JSON object of the answer; raises as `call` does."""
        with self._translated():
            answer = self._http.post(
                path,
                params=_given(params),
                headers={**self._authorization(), **headers},
                content=content,
            )
        return self._read(answer)

    def read_readiness(self) -> dict[str, Any]:
        """Return what the gateway says of itself, ready or not; needs no key.

        Raises:
            GatewayRefusedError: It answered with a problem.
            TransientError: `gateway_away`.
            ConfigurationError: What answered is no gateway of ours.
        """
        with self._translated():
            answer = self._http.get("/readyz")
        if answer.status_code == _UNAVAILABLE:
            return self._read_object(answer)
        return self._read(answer)

    def download(self, path: str, *, params: Mapping[str, Any] | None = None) -> bytes:
        """Return the bytes of a file; raises as `call` does."""
        with self._translated():
            answer = self._http.get(path, params=_given(params), headers=self._authorization())
        if answer.status_code >= _FIRST_ERROR_STATUS:
            self._read(answer)
        return answer.content

    @contextmanager
    def stream(
        self, path: str, *, params: Mapping[str, Any] | None = None, headers: Mapping[str, str]
    ) -> Iterator[httpx.Response]:
        """Open an answer that does not end; raises as `call` does."""
        with (
            self._translated(),
            self._http.stream(
                "GET",
                path,
                params=_given(params),
                headers={**self._authorization(), **headers},
                timeout=httpx.Timeout(_TIMEOUT_S, read=None),
            ) as answer,
        ):
            if answer.status_code >= _FIRST_ERROR_STATUS:
                answer.read()
                self._read(answer)
            yield answer

    def _authorization(self) -> Mapping[str, str]:
        if self._key is None:
            raise ConfigurationError("api_key_not_set")
        return {"Authorization": f"Bearer {self._key}"}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            cause = type(error).__name__
            raise TransientError("gateway_away", url=self._url, cause=cause) from error
        except httpx.InvalidURL as error:
            rule = "须为 http:// 或 https:// 开头的网址 · must be a URL of http:// or https://"
            raise ConfigurationError(
                "setting_invalid", name="XUELIAN_GATEWAY_URL", rule=rule
            ) from error

    def _read(self, answer: httpx.Response, *, of_one: bool = False) -> dict[str, Any]:
        content = self._read_object(answer)
        if answer.status_code >= _FIRST_ERROR_STATUS:
            content = _without_rows(content) if of_one else content
            raise GatewayRefusedError(_to_failure(answer.status_code, content))
        return content

    def _read_object(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ConfigurationError(
                "gateway_answer_unreadable", url=self._url, status=answer.status_code
            )
        return content


def _given(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}


_UNAVAILABLE = 503


def _to_failure(status: int, problem: Mapping[str, Any]) -> Failure:
    """Return the failure of a problem document, whose detail is `zh · en` already."""
    code = str(problem.get("code", "http_error"))
    zh, _, en = str(problem.get("detail", "")).partition(" · ")
    zh, en = AT_A_TERMINAL.get(code, (zh, en))
    return Failure(
        code=code,
        zh=zh,
        en=en or zh,
        exit_code=ExitCode.AWAY if status == _UNAVAILABLE else ExitCode.FAILED,
        params={"status": status},
        details=tuple(_describe_field(error) for error in problem.get("errors", ())),
    )


def _without_rows(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return a problem of rows as one of the fields of the one record that was sent."""
    if problem.get("code") != "rows_invalid":
        return dict(problem)
    errors = [
        {
            **error,
            "field": error.get("column") or error["field"],
            "rows": None,
            "name": name_field(error.get("column") or ""),
        }
        for error in problem["errors"]
    ]
    told = render("fields_invalid", {"errors": len(errors)})
    return {**problem, "code": "fields_invalid", "detail": str(told), "errors": errors}


def _describe_field(error: Mapping[str, Any]) -> str:
    """Describe a wrong field: its key and name, the rule, and what to do where that says more."""
    name = f"（{error['name']}）" if error.get("name") else ""
    rule, fix = str(error["rule"]), str(error["what_to_do"])
    told = fix if rule in fix else f"{rule} — {fix}"
    if error.get("rows"):
        return f"{describe_where(error)}: {told}"
    return f"{error['field']}{name}: {told}"


def describe_where(error: Mapping[str, Any]) -> str:
    """Describe where a fault of a file is, in Chinese, then the place in the file's own words."""
    place, rows = str(error["field"]), error.get("rows")
    if not rows or place.startswith("第") or " 行" in place:
        return place
    spans = "、".join(
        str(first) if first == last else f"{first}–{last}" for first, last in rows[:_SPANS_MOST]
    )
    more = "…" if len(rows) > _SPANS_MOST else ""
    column = str(error.get("column") or "")
    found = "".join(f"“{text}”" for text in error.get("found") or ())
    told = f"第 {spans}{more} 行 {name_field(column) or column}{found}".strip()
    sheet = f"{error['sheet']} " if error.get("sheet") else ""
    return f"{sheet}{told} · {place}"


_SPANS_MOST = 8
