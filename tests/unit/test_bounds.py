"""Every instant and every day that comes in has a bound, and the bounds hold at their edges."""

from __future__ import annotations

import importlib
import pkgutil
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import gateway
import models
from models.base import Value
from models.donors import Donor
from models.events import EVENT_CLASSES
from models.events.donations import DonationRecalled
from models.possible_times import (
    BOUNDS,
    CLOCKS_APART,
    EARLIEST,
    MOST_AHEAD_D,
    NOT_BEFORE,
    Bound,
    list_impossible,
    list_moments,
)
from models.requests import UrgentRequest
from models.texts import list_texts
from tests.support.world import NOW, build_request, build_unit

CARRIED = {
    "AttestationFields.released_at": "Attestation.released_at",
    "CountQuery.released_at": "Attestation.released_at",
    "CountOptions.released_at": "Attestation.released_at",
    "CountQuery.counted_at": "StockCounted.counted_at",
    "CountOptions.counted_at": "StockCounted.counted_at",
    "NewSplit.split_at": "DonationSplit.split_at",
    "NewRecall.recalled_at": "DonationRecalled.recalled_at",
    "NewAnswer.answered_at": "CallOutAnswered.answered_at",
    "NewScan.scanned_at": "StockChanged.happened_at",
    "NewScan.thawed_at": "StockChanged.thawed_at",
    "NewStockChange.thawed_at": "StockChanged.thawed_at",
    "NewStockChange.happened_at": "StockChanged.happened_at",
    "NewOffer.valid_until": "Offer.valid_until",
    "ClosingBody.closed_at": "DifferencesClosed.closed_at",
}
"""What a call says, and where it goes: it is held against that bound."""

ASKED = {"RequestQuery.opened_from", "FigureQuery.day_from", "FigureQuery.day_until"}
"""Of questions: nothing is kept of them."""

OF_FILES = {
    "LabelBook.confirmed_on",
    *(f"{kind}.{day}" for kind in ("Law", "DonorLaw") for day in ("since", "until")),
}
"""Of files that the operator of the system writes."""


def list_values() -> list[type[Value]]:
    for package in (models, gateway):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    values: list[type[Value]] = []
    waiting = [Value]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.split(".")[0] in {"models", "gateway"} and kind not in values:
                values.append(kind)
                waiting.append(kind)
    return values


def test_f47_every_moment_on_every_way_in_has_a_bound() -> None:
    found = {f"{kind.__name__}.{name}" for kind in list_values() for name in list_moments(kind)}
    bound = {f"{name}.{field}" for name, fields in BOUNDS.items() for field in fields}
    assert found == bound | CARRIED.keys() | ASKED | OF_FILES
    assert {*CARRIED.values()} <= bound
    names = [kind.__name__ for kind in list_values()]
    assert all(names.count(name) == 1 for name in BOUNDS)


def test_f47_pairs_name_fields_that_are_there() -> None:
    kinds = {kind.__name__: kind for kind in list_values()}
    for name, pairs in NOT_BEFORE.items():
        for pair in pairs:
            assert set(pair) <= set(list_moments(kinds[name]))


@pytest.mark.parametrize("kind", EVENT_CLASSES.values(), ids=lambda kind: kind.__name__)
def test_f47_no_field_of_an_event_reads_digits(kind: type[Value]) -> None:
    for name in list_moments(kind):
        for digits in (20271231, 1736213400.5, "20271231", "1736213400"):
            with pytest.raises(ValueError, match=name):
                kind.model_validate({name: digits})


def said(at: datetime) -> DonationRecalled:
    return DonationRecalled(
        station_id="s", donation_id="D", recall_id="r", reason="x", recalled_by="y", recalled_at=at
    )


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (NOW, None),
        (NOW + CLOCKS_APART, None),
        (NOW + CLOCKS_APART + timedelta(seconds=1), "moment_ahead"),
        (datetime(2000, 1, 1, tzinfo=UTC), None),
        (datetime(1999, 12, 31, 23, tzinfo=UTC), "moment_too_long_ago"),
        (datetime(1970, 1, 1, tzinfo=UTC), "moment_too_long_ago"),
    ],
)
def test_f48_what_happened_lies_behind(at: datetime, code: str | None) -> None:
    assert [broken.code for broken in list_impossible(said(at), now=NOW)] == (
        [code] if code else []
    )


def test_what_is_asked_for_is_not_years_ahead() -> None:
    def at(days: float) -> list[tuple[str, str]]:
        request: UrgentRequest = build_request().but(needed_by=NOW + timedelta(days=days))
        return [(broken.field, broken.code) for broken in list_impossible(request, now=NOW)]

    assert at(-3) == []
    assert at(MOST_AHEAD_D) == []
    assert at(MOST_AHEAD_D + 1) == [("needed_by", "moment_too_far_ahead")]


def donor(**changes: Any) -> Donor:  # noqa: ANN401 - fields
    return Donor.model_validate(
        {
            "donor_id": "d",
            "station_id": "s",
            "name": "n",
            "contact": "1",
            "group": "O+",
            "sex": "male",
            "born_on": date(1990, 2, 28),
            "weight_kg": 70,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"born_on": NOW.date() + timedelta(days=400)}, [("born_on", "moment_ahead")]),
        ({"born_on": date(1904, 12, 31)}, [("born_on", "moment_too_long_ago")]),
        ({"born_on": date(1905, 1, 1)}, []),
        (
            {"last_whole_blood_on": NOW.date() + timedelta(days=2)},
            [("last_whole_blood_on", "moment_ahead")],
        ),
        ({"last_whole_blood_on": NOW.date()}, []),
        (
            {"born_on": date(2001, 1, 1), "last_platelets_on": date(2000, 6, 1)},
            [("last_platelets_on", "moment_before")],
        ),
        ({"deferred_until": datetime(9999, 12, 31, tzinfo=UTC)}, []),
        (
            {"deferred_until": datetime(1970, 8, 23, tzinfo=UTC)},
            [("deferred_until", "moment_too_long_ago")],
        ),
        (
            {"consented_at": NOW + timedelta(days=1)},
            [("consented_at", "moment_ahead")],
        ),
    ],
)
def test_f50_a_donor_was_born_and_gave_before_today(
    changes: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    told = list_impossible(donor(**changes), now=NOW)
    assert [(broken.field, broken.code) for broken in told] == found
    assert {broken.code for broken in told} <= list_texts().keys()


def test_a_day_is_not_ahead_where_it_has_begun() -> None:
    late = datetime(2025, 1, 7, 20, tzinfo=UTC)
    assert list_impossible(donor(last_whole_blood_on=date(2025, 1, 8)), now=late) == []


def test_moments_are_found_however_deep_they_stand() -> None:
    from models.events.stock import CountedUnit, StockCounted  # noqa: PLC0415 - used once

    unit = build_unit("A+", collected_ago_h=-48, expires_in_h=240)
    event = StockCounted(
        station_id="shigatse",
        counted_at=NOW,
        units=(CountedUnit(unit=unit, released=False),),
    )
    assert [(broken.field, broken.code) for broken in list_impossible(event, now=NOW)] == [
        ("units.0.unit.collected_at", "moment_ahead")
    ]


def test_bounds_are_of_kinds_that_are_used() -> None:
    assert {bound for fields in BOUNDS.values() for bound in fields.values()} == {*Bound}
    assert date(2000, 1, 1) == EARLIEST
