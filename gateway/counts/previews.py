"""Previews of counts: what a count would change, and the digest under which it is then sent.

A preview's digest names the file and what the count meant then; a count under a digest is sent only
if both are unchanged. What a preview read is kept for a while, so that the file is not read again
when the count is sent.
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from gateway.counts.count_files import CountRead
from gateway.counts.count_parts import Count
from models.errors import ContractError
from streams.services.stock_entries import CountPlan, Loud

KEPT_S = 600.0
"""How long a preview's reading is kept: within this time a person decides whether to send it."""

KEPT_BYTES = 120_000_000
"""Enough for two files of 100,000 units."""


class KeptReads:
    """The files that were last read for a preview; kept in this process, up to `KEPT_BYTES`."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, CountRead]] = OrderedDict()

    def keep(self, file_digest: str, read: CountRead) -> None:
        self._kept[file_digest] = (self._monotonic(), read)
        self._kept.move_to_end(file_digest)
        while self._kept and self._bytes() > KEPT_BYTES:
            self._kept.popitem(last=False)

    def take(self, file_digest: str) -> CountRead | None:
        """Return what was read of a file, and remove it from the memory."""
        at, read = self._kept.pop(file_digest, (0.0, None))
        return read if read is not None and self._monotonic() - at <= KEPT_S else None

    def _bytes(self) -> int:
        return sum(len(part) for _, read in self._kept.values() for part in read.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewToken:
    """What a preview saw; the caller gives it back with the count."""

    file_digest: str
    plan_digest: str
    counted_at: datetime
    outcomes: Mapping[str, int]

    @classmethod
    def of(cls, count: Count, plan: CountPlan) -> PreviewToken:
        return cls(
            file_digest=count.file_digest,
            plan_digest=plan.digest,
            counted_at=count.counted_at,
            outcomes=plan.outcomes,
        )

    def to_text(self) -> str:
        told = [self.file_digest, self.plan_digest, self.counted_at, dict(self.outcomes)]
        raw = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, *, file_digest: str) -> PreviewToken:
        """Read a digest back.

        Raises:
            ContractError: `preview_file_changed`: it is no digest of a preview of this file.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            previewed, plan_digest, counted_at, outcomes = orjson.loads(raw)
            token = cls(
                file_digest=str(previewed),
                plan_digest=str(plan_digest),
                counted_at=datetime.fromisoformat(counted_at),
                outcomes={str(name): int(units) for name, units in outcomes.items()},
            )
        except (binascii.Error, ValueError, TypeError, AttributeError) as error:
            raise ContractError("preview_file_changed") from error
        if token.file_digest != file_digest:
            raise ContractError("preview_file_changed")
        return token


def describe_plan(count: Count, plan: CountPlan) -> dict[str, Any]:
    """Return the content of a preview: units by outcome, and those that contradict the record."""
    loud_kinds = ("differs", "moved", "status", "missing")
    return {
        "outcomes": plan.outcomes,
        "products": count.read.list_products(),
        "missing_reserved": plan.missing_reserved,
        "differences": [_describe(count, unit) for unit in plan.loud],
        "differences_in_all": sum(plan.outcomes.get(kind, 0) for kind in loud_kinds),
    }


def _describe(count: Count, loud: Loud) -> dict[str, Any]:
    told: dict[str, Any] = {
        "unit_id": loud.unit_id,
        "kind": loud.kind,
        "fields": loud.fields,
        "recorded": loud.recorded,
        "request_id": loud.request_id,
    }
    found = None if loud.kind == "missing" else count.read.find_counted(loud.unit_id)
    if found is not None:
        (sheet, row), counted = found
        told |= {"sheet": sheet, "row": row, "counted": counted}
    return told
