"""The figures that stations report, each with the rule that defines it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.http.dependencies import GatewayDep, ensure_station
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder
from models.base import Day, Identifier, Value
from models.errors import ContractError
from models.figures import MAX_DAYS, FigureRules
from models.texts.instants import BEIJING
from streams.matching.safe_stock_rate import rate_safe_stock

router = APIRouter(tags=["figures"])


USUAL_DAYS = 30


class FigureQuery(Value):
    """Which figures.

    Attributes:
        day_from: First day of the period, Beijing time; by default 30 days before its end.
        day_until: First day after the period; by default tomorrow, so that today counts.
    """

    station_id: Identifier | None = None
    day_from: Day | None = None
    day_until: Day | None = None


@router.get(
    "/v1/figures",
    summary="上报指标：安全库存率、检测覆盖率、紧急放行 · The figures that stations report",
    description=(
        "各站定义不同，上报前须确认 · stations define them differently; confirm before reporting. "
        "The definitions stand in `docs/figures.md`."
    ),
    responses=documented(400, 422),
)
async def get_figures(
    gateway: GatewayDep, principal: Holder, query: Annotated[FigureQuery, Query()]
) -> Response:
    station_id = query.station_id or principal.own_station
    if station_id is not None:
        principal.ensure_speaks_for(station_id)
    if station_id is not None:
        await ensure_station(gateway, station_id)
    day_from, day_until = _settle_period(query, gateway.clock.now())
    records = await gateway.figures.list_stock_days(
        station_id, day_from=day_from, day_until=day_until
    )
    testing = await gateway.figures.rate_testing(
        station_id, at_from=_start_of(day_from), at_until=_start_of(day_until)
    )
    releases = await gateway.figures.count_emergency_releases(
        station_id, at_from=_start_of(day_from), at_until=_start_of(day_until)
    )
    safe = rate_safe_stock(
        records, day_from=day_from, day_until=day_until, rules=gateway.rules.figures
    )
    return to_response(
        {
            "station_id": station_id,
            "day_from": day_from,
            "day_until": day_until,
            "safe_stock": {
                **safe.model_dump(exclude={"worst"}),
                "worst": [
                    {"component": component, "group": group, "unsafe": unsafe, "counted": counted}
                    for component, group, unsafe, counted in safe.worst
                ],
            },
            "testing_coverage": testing.model_dump(),
            "emergency_releases": releases.model_dump(),
            "rules": _list_rules(gateway.rules.figures),
        }
    )


def _settle_period(query: FigureQuery, now: datetime) -> tuple[date, date]:
    today = now.astimezone(BEIJING).date()
    day_until = query.day_until or today + timedelta(days=1)
    day_from = query.day_from or day_until - timedelta(days=USUAL_DAYS)
    if not timedelta() < day_until - day_from <= timedelta(days=MAX_DAYS):
        raise ContractError("period_invalid", limit=MAX_DAYS)
    return day_from, day_until


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=BEIJING)


def _list_rules(rules: FigureRules) -> list[dict[str, Any]]:
    told = (
        rules.safe_stock,
        rules.safe_stock_expected,
        rules.testing_coverage,
        rules.emergency_releases,
    )
    return [
        {**rule.model_dump(mode="json", exclude={"terms"}), "version": rules.version}
        for rule in told
    ]
