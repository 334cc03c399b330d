"""Finds recorded identifiers that a program changed, and that no intake would accept today.

`xuelian doctor` uses it; it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streams.clock import parse_clock
from streams.settings import Settings
from streams.store.command_database import run_on_database
from streams.store.read_models.vitals import PgVitals

SHOWN = 10

FIX = (
    "标签上没有这样的编号：请 {stations} 找出实物，不要发出；按标签上的编号重新盘点入库，全库盘点后"
    "把旧编号作报废（xuelian stock reconcile close … --kind missing --as discarded），"
    "并把新旧编号写在纸质记录里：召回按标签编号查不到它们 · "
    "no label says so: have {stations} find the bags and hold them; count them under the numbers "
    "of their labels, then close the old ones of a full count as discarded (xuelian stock "
    "reconcile close … --kind missing --as discarded), and keep both numbers on paper: a recall "
    "by the label does not find them"
)

FIX_ENDED = (
    "都已了结；召回按标签编号查不到它们，把新旧编号写在纸质记录里 · all have ended; a recall by "
    "the label does not find them: keep both numbers on paper"
)


def list_strange_units(settings: Settings) -> list[dict[str, Any]]:
    """Return units whose own or donation's identifier is invalid, those still in use first."""
    return run_on_database(
        settings,
        lambda database: PgVitals(database, parse_clock(settings.clock)).list_strange_units(),
    )


def describe_strange_units(units: Sequence[Mapping[str, Any]]) -> str:
    """Name the units with their donation, station and state; only the first of many."""
    told = [
        f"{unit['unit_id']}（{unit['donation_id']}，{unit['station_id']}，{unit['status']}）"
        for unit in units[:SHOWN]
    ]
    left = f" … +{len(units) - SHOWN}" if len(units) > SHOWN else ""
    return "、".join(told) + left
