"""Which locks records and timers name, for every event of the topics that the supply side reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from models.directory import Directory
from models.errors import InvariantViolation
from models.events import EVENT_CLASSES, EventData, decode_event
from models.events.alerts import AlertReceived
from models.events.shortages import OfferMade
from models.facilities import StationPolicy
from models.topics import TOPICS, AppName
from streams.ports import Timer, TimerKind
from streams.ports.locks import LocksMissingError, name_disaster
from streams.services.record_locks import LOCKS_OF_EVENTS, list_record_locks, list_timer_locks
from streams.services.request_rematching import go_on_after
from streams.services.transaction_restart import TRIES, begin_again
from tests.support.supply import make_alert, make_station
from tests.support.supply_engine import build_offer
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

EXAMPLES = Path(__file__).parents[2] / "models" / "events" / "examples"
TYPES = sorted(
    event_type
    for topic in TOPICS
    if AppName.SUPPLY in topic.readers
    for event_type in topic.event_types
)


def load(event_type: str) -> EventData:
    return decode_event(event_type, (EXAMPLES / f"{event_type}.json").read_bytes())


def test_each_event_that_the_supply_side_reads_has_its_entry() -> None:
    assert {kind.TYPE for kind in LOCKS_OF_EVENTS} == set(TYPES)


@pytest.mark.parametrize("event_type", TYPES)
def test_an_event_begins_with_each_station_that_it_names(event_type: str) -> None:
    event = load(event_type)
    locks = LOCKS_OF_EVENTS[EVENT_CLASSES[event_type]](event, Directory())
    named = set(find_stations(orjson.loads(event.to_body())))
    assert named <= set(locks)
    assert locks, "nothing that the supply side does is nobody's"


def find_stations(body: object) -> Iterator[str]:
    """Whatever stands under the name of a station, at any depth."""
    if isinstance(body, dict):
        for name, value in body.items():
            if name.endswith("station_id"):
                yield value
            yield from find_stations(value)
    elif isinstance(body, list):
        for value in body:
            yield from find_stations(value)


def test_an_alert_begins_with_its_disaster_and_the_stations_in_reach() -> None:
    near = StationPolicy(activation_radius_km=500)
    far = StationPolicy(activation_radius_km=1)
    directory = Directory(
        stations={
            "near": make_station("near", policy=near),
            "far": make_station("far", policy=far),
        }
    )
    alert = make_alert()
    record = build_record(AlertReceived(alert=alert), source="feed/test")
    found = list_record_locks([record], directory)
    assert found == {name_disaster(alert.event_key), "near"}


def test_a_batch_begins_with_the_stations_of_all_its_records() -> None:
    offer = build_offer("shortage", quantity=1, group="A+")
    records = [
        build_record(OfferMade(offer=offer), source="station/lhasa"),
        counted([build_unit(station_id="nagqu")], station_id="nagqu"),
        # Not for these topics: it is refused, and touches nothing.
        opened(build_request()),
    ]
    assert list_record_locks(records, Directory()) == {"lhasa", "shigatse", "nagqu"}


@pytest.mark.parametrize(
    ("kind", "subject", "expected"),
    [
        (TimerKind.SHORTAGE_ASSESSMENT, "lhasa", {"lhasa"}),
        (TimerKind.SHORTAGE_ASSESSMENT, "lhasa@20250107T013000", {"lhasa"}),
        (TimerKind.REMATCH, "lhasa@6003b0d0-2586-5eaf-b9eb-58e45335d089", {"lhasa"}),
        (TimerKind.DONORS_CHANGED, "lhasa", {"lhasa"}),
        (TimerKind.HOLD_LAPSE, "request-1", set()),
        (TimerKind.UNIT_EXPIRY, "all", set()),
    ],
)
def test_a_timer_begins_with_the_station_of_its_subject(
    kind: TimerKind, subject: str, expected: set[str]
) -> None:
    timer = Timer(kind=kind, subject=subject, due_at=NOW)
    assert list_timer_locks(timer) == expected
    if kind is TimerKind.REMATCH:
        later = go_on_after(timer, "request-9", now=NOW + timedelta(seconds=1))
        assert list_timer_locks(later) == expected


async def test_what_lacks_a_lock_is_begun_again_with_it() -> None:
    begun: list[frozenset[str]] = []

    async def attempt(locks: frozenset[str]) -> int:
        begun.append(locks)
        for name in ("b", "a"):
            if name not in locks:
                raise LocksMissingError([name])
        return len(begun)

    assert await begin_again(attempt, frozenset("c")) == 3
    assert begun == [frozenset("c"), frozenset("cb"), frozenset("cba")]


async def test_what_never_has_enough_ends_as_a_bug_of_ours() -> None:
    begun: list[frozenset[str]] = []

    async def attempt(locks: frozenset[str]) -> None:
        begun.append(locks)
        raise LocksMissingError([f"station-{len(begun)}"])

    with pytest.raises(InvariantViolation, match="locks_unsettled"):
        await begin_again(attempt, frozenset())
    assert len(begun) == TRIES
