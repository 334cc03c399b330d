"""The steps of `xuelian stock import`: preview, confirm, send, follow until all is taken in.

A stock count is sent under the digest of its preview, so that what is done is what was shown. A
count that broke off is resumed by running the command again: the file's own time is the moment of
the count, so the same file is the same count.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from cli.failures import GatewayRefusedError
from cli.files import find_kind, read_upload
from cli.gateway import GatewayClient
from cli.output import Output
from deploy.local.resolved_settings import load_settings
from models.errors import ContractError, TransientError
from streams.settings import Settings

Json = dict[str, Any]

CALL_S = 120.0
"""Reading, comparing and publishing 100,000 units takes some seconds, more on a busy machine."""

LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFile:
    """The options of `stock import`.

    Attributes:
        charset: Character set of a CSV file; empty detects it.
        counted_at: The moment of the count; empty takes the time of the file.
        released_by: Who released the units that a row calls released without naming anybody; None
            if the file names them itself.
    """

    station: str
    path: Path
    full: bool
    partial: bool
    zone: str
    maps: tuple[str, ...]
    ignore: tuple[str, ...]
    charset: str
    counted_at: str
    released_by: str | None = None
    released_at: str | None = None

    def read(self) -> bytes:
        """Read the file.

        Raises:
            ContractError: `file_unreadable`.
        """
        return read_upload(self.path)

    def to_headers(self) -> Json:
        kind = find_kind(self.path)
        return {"Content-Type": f"{kind}; charset={self.charset}" if self.charset else kind}

    def to_params(self, settings: Settings) -> Json:
        return {
            "full": self.full,
            "partial": self.partial,
            "zone": self.zone,
            "map": list(self.maps),
            "ignore": list(self.ignore),
            "counted_at": self.counted_at or self._own_moment(settings),
            "released_by": self.released_by,
            "released_at": self.released_at,
        }

    def _own_moment(self, settings: Settings) -> str | None:
        """Return the time of the file; None for JSON and in a drill, where the gateway's counts."""
        if settings.clock != "system" or self.path.suffix.lower() == ".json":
            return None
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC).isoformat()


class CountImport:
    """One import, step by step."""

    def __init__(self, count: CountFile, gateway: GatewayClient, settings: Settings) -> None:
        self._count = count
        self._gateway = gateway
        self._path = f"/v1/stations/{count.station}/stock"
        self._params = count.to_params(settings)
        self._headers = count.to_headers()
        self._content = count.read()

    def preview(self) -> Json:
        return self._call(f"{self._path}/preview", self._params)

    def send(self, preview: Json) -> Json:
        return self._call(self._path, {**self._params, "preview": preview["digest"]})

    def follow(self, sent: Json, *, wait_s: float, report: Callable[[str], None]) -> Json:
        """Return the count once all of it is taken in.

        Raises:
            TransientError: `count_not_taken`: not all is taken in by then; it is kept in the log.
        """
        path = f"/v1/stations/{self._count.station}/reconciliations/{sent['count_id']}"
        ends_at = time.monotonic() + wait_s
        told, found = -1, self._find(path)
        while found is None or found["count"]["taken_at"] is None:
            taken = found["count"]["parts_taken"] if found else 0
            if taken != told:
                told = taken
                report(f"已受理 {taken}/{sent['parts']} 部分 · parts taken in")
            if time.monotonic() > ends_at:
                raise TransientError(
                    "count_not_taken", count_id=sent["count_id"], wait_s=wait_s, taken=taken
                )
            time.sleep(LOOK_EVERY_S)
            found = self._find(path)
        return found

    def _find(self, path: str) -> Json | None:
        try:
            return self._gateway.call("GET", path)
        except GatewayRefusedError as error:
            if error.failure.code != "count_unknown":
                raise
            return None

    def _call(self, path: str, params: Json) -> Json:
        return self._gateway.upload(path, self._content, params=params, headers=self._headers)


def import_count(
    count: CountFile, *, out: Output, preview_only: bool, yes: bool, wait_s: float
) -> Json:
    """Run the whole command; return what `--json` prints.

    Raises:
        ContractError: `not_confirmed`, or the file cannot be read.
        Exit: The file has errors, so nothing was imported.
    """
    from cli.reports import print_preview  # noqa: PLC0415 - tables only where they are shown

    settings = load_settings()
    with GatewayClient(settings, wait_s=CALL_S) as gateway:
        importing = CountImport(count, gateway, settings)
        with out.progress("预览 · previewing"):
            preview = importing.preview()
        print_preview(out, preview)
        document: Json = {"status": "previewed", "preview": preview}
        if preview_only:
            return document
        if not preview["applicable"]:
            return {**document, "status": "refused"}
        if preview["changes_nothing"] and not count.full:
            out.say("[green]✓[/] 与库存一致，没有改变 · as the stock has it; nothing to change")
            return {**document, "status": "unchanged"}
        confirm(yes=yes)
        with out.progress("导入 · importing") as report:
            sent = importing.send(preview)
            if sent["status"] == "unchanged":
                out.say("[green]✓[/] 这次盘点已经导入过，没有改变 · imported before; no change")
                return {**document, "status": "unchanged", "sent": sent}
            report(f"已写入日志 {sent['parts']} 部分 · parts kept in the log")
            taken = importing.follow(sent, wait_s=wait_s, report=report)
        return {**document, "status": "imported", "sent": sent, **taken}


def confirm(*, yes: bool) -> None:
    """Ask the user in a terminal; elsewhere `--yes` must be given.

    Raises:
        ContractError: `not_confirmed`.
        Abort: The user said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ContractError("not_confirmed")
    typer.confirm("导入 · Import", abort=True, err=True)
