"""The Dingri scenario as data: where things are, who is on call, what is asked for."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from pydantic import ValidationError

from demo.casualties import count_units, plan_requests
from demo.donor_reserve import make_donors
from demo.initial_stock import make_stock
from demo.scenario import Scenario, list_scenarios, read_scenario
from models.components import Component
from models.groups import BloodGroup
from models.patients import Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.donor_eligibility import DonorRecord, list_obstacles

QUAKE_DAY = date(2025, 1, 7)


@pytest.fixture(scope="module")
def dingri() -> Scenario:
    return read_scenario("dingri")


def test_dingri_is_listed() -> None:
    assert "dingri" in list_scenarios()


def test_an_unknown_demo_is_refused() -> None:
    with pytest.raises(KeyError):
        read_scenario("atlantis")


def test_every_facility_stands_on_the_tibetan_plateau(dingri: Scenario) -> None:
    places = [
        (station.station.location, station.station.altitude_m) for station in dingri.demo_stations
    ]
    places += [(hospital.hospital.location, hospital.altitude_m) for hospital in dingri.hospitals]
    for location, altitude_m in places:
        assert 27.5 <= location.lat <= 33.5
        assert 79.5 <= location.lon <= 92.5
        assert 3500 <= altitude_m <= 4600


def test_distances_agree_with_those_published(dingri: Scenario) -> None:
    """The earthquake administration named 164 km to Shigatse and 379 km to Lhasa."""
    stations = {station.station_id: station for station in dingri.stations}
    epicentre = dingri.event.location
    assert stations["shigatse"].location.distance_km(epicentre) == pytest.approx(164, abs=15)
    assert stations["lhasa"].location.distance_km(epicentre) == pytest.approx(379, abs=15)


def test_every_hospital_has_a_road_and_every_pair_of_stations_too(dingri: Scenario) -> None:
    for hospital in dingri.hospitals:
        assert (hospital.hospital.station_id, hospital.hospital.hospital_id) in dingri.routes
    ids = [station.station_id for station in dingri.stations]
    assert all((a, b) in dingri.routes for a in ids for b in ids if a != b)


def test_roads_are_longer_than_the_crow_flies_and_not_faster_than_cars(dingri: Scenario) -> None:
    places = {station.station_id: station.location for station in dingri.stations}
    places |= {
        hospital.hospital.hospital_id: hospital.hospital.location for hospital in dingri.hospitals
    }
    for road in dingri.roads:
        near, far = (places[name] for name in road.between)
        assert road.km >= near.distance_km(far)
        assert road.kmh <= 80


def test_nagqu_has_25_staff_and_70_on_call(dingri: Scenario) -> None:
    nagqu = [donor.donor for donor in make_donors(dingri) if donor.donor.station_id == "nagqu"]
    assert sum(donor.staff for donor in nagqu) == 25
    assert sum(not donor.staff for donor in nagqu) == 70


def test_flawed_donors_and_no_others_have_an_obstacle(dingri: Scenario) -> None:
    flaws = Counter[str]()
    for donor in make_donors(dingri):
        obstacles = list_obstacles(
            DonorRecord(donor=donor.donor), now=dingri.event.occurred_at, rules=PACKAGED.donors
        )
        assert bool(obstacles) == bool(donor.ineligible), (donor.donor.donor_id, donor.ineligible)
        flaws[donor.ineligible] += 1
    assert set(flaws) == {"", *dingri.donors.ineligible.reasons}


def test_nobody_gives_more_than_the_law_allows(dingri: Scenario) -> None:
    """献血法 art. 9: 400 ml at most."""
    for answers in dingri.donors.answers.values():
        assert all(0 < volume_ml <= 400 for volume_ml in answers.volume_ml)


def test_the_staff_would_give_what_nagqu_reported(dingri: Scenario) -> None:
    staff = dingri.donors.answers["staff"]
    assert 25 * staff.volume_ml[0] == 6000
    assert staff.volume_ml == (240,)


def test_the_day_is_the_same_for_the_same_seed(dingri: Scenario) -> None:
    again = read_scenario("dingri")
    assert make_donors(again) == make_donors(dingri)
    assert make_stock(again) == make_stock(dingri)
    assert plan_requests(again) == plan_requests(dingri)


def test_another_seed_is_another_day(dingri: Scenario) -> None:
    other = dingri.but(seed=dingri.seed + 1)
    assert make_stock(other) != make_stock(dingri)
    assert plan_requests(other) != plan_requests(dingri)


def test_stock_follows_the_chinese_frequencies(dingri: Scenario) -> None:
    lhasa = Counter(
        counted.unit.group
        for counted in make_stock(dingri)
        if counted.unit.station_id == "lhasa" and counted.unit.component is Component.RED_CELLS
    )
    positive = {group: units for group, units in lhasa.items() if group.value.endswith("+")}
    total = sum(positive.values())
    assert positive[BloodGroup.O_POS] / total == pytest.approx(0.3420, abs=0.01)
    assert positive[BloodGroup.AB_POS] / total == pytest.approx(0.0891, abs=0.01)


def test_units_have_ids_of_their_own_and_are_alive_at_the_count(dingri: Scenario) -> None:
    stock = make_stock(dingri)
    assert len({counted.unit.unit_id for counted in stock}) == len(stock)
    counted_at = dingri.at(-dingri.stock.counted_before_h)
    assert all(
        counted.unit.collected_at <= counted_at < counted.unit.expires_at for counted in stock
    )
    assert any(
        counted.unit.expires_at < counted_at + timedelta(days=1, hours=8) for counted in stock
    )


def test_the_need_follows_from_the_published_injured(dingri: Scenario) -> None:
    """340 injured, 0.3 admitted, 2.7 components each, 1 : 0.54 : 0.81."""
    units = count_units(dingri)
    admitted = 340 * 0.3
    whole = admitted * 2.7 / (1 + 0.54 + 0.81)
    assert units[Component.RED_CELLS] == pytest.approx(whole, abs=1)
    assert units[Component.FRESH_FROZEN_PLASMA] == pytest.approx(whole * 0.54, abs=1)


def test_requests_ask_for_what_the_casualties_need(dingri: Scenario) -> None:
    asked = Counter[Component]()
    for planned in plan_requests(dingri):
        pack = dingri.get_hospital(planned.request.hospital_id).hospital.pack
        for line in planned.request.lines:
            asked[line.component] += line.quantity
        for component, units in pack.units.items():
            asked[component] += units * planned.request.massive_transfusion_packs
    needed = count_units(dingri)
    # Some red cells become washed ones, and some plasma is asked for where it cannot be thawed.
    assert asked[Component.RED_CELLS] == pytest.approx(needed[Component.RED_CELLS], rel=0.1)
    assert asked[Component.PLATELETS] == needed[Component.PLATELETS]


def test_requests_come_within_twelve_hours_most_of_them_early(dingri: Scenario) -> None:
    hours = [
        (request.at - dingri.event.occurred_at).total_seconds() / 3600
        for request in plan_requests(dingri)
    ]
    assert min(hours) > 0.3
    assert max(hours) < dingri.timeline.requests_until_h + 2
    assert sum(hour < 6 for hour in hours) > 0.6 * len(hours)
    assert hours == sorted(hours)


def test_every_kind_of_request_occurs(dingri: Scenario) -> None:
    planned = plan_requests(dingri)
    requests = [request.request for request in planned]
    lines = [line for request in requests for line in request.lines]
    assert {request.priority for request in requests} == set(Priority)
    assert {request.hospital_id for request in requests} == {
        hospital.hospital.hospital_id for hospital in dingri.hospitals
    }
    assert any(request.patient.group is None for request in requests)
    assert any((request.patient.age_years or 99) < 16 for request in requests)
    assert sum(request.massive_transfusion_packs for request in requests) == 5
    assert any(request.patient.rhd_consent for request in requests)
    assert any(
        request.patient.sex is Sex.FEMALE and str(request.patient.group).endswith("-")
        for request in requests
    )
    for attribute in ("leukoreduced", "irradiated", "identical_group_only", "max_age_d"):
        assert any(getattr(line.attributes, attribute) for line in lines), attribute
    assert any(line.attributes.antigen_negative for line in lines)
    assert any(line.component is Component.WASHED_RED_CELLS for line in lines)
    frozen_away = {
        hospital.hospital.hospital_id
        for hospital in dingri.hospitals
        if not hospital.hospital.can_thaw
    }
    assert any(
        line.component.spec.frozen and request.hospital_id in frozen_away
        for request in requests
        for line in request.lines
    )
    assert Counter(request.then for request in planned)["cancel"] == 1
    assert Counter(request.then for request in planned)["amend"] == 1


def test_a_tenth_is_sent_again_and_some_go_straight_to_kafka(dingri: Scenario) -> None:
    planned = plan_requests(dingri)
    again = sum(request.resent_after_s is not None for request in planned)
    assert again == pytest.approx(0.1 * len(planned), abs=1)
    straight = sum(request.straight for request in planned)
    assert 0.1 * len(planned) < straight < 0.35 * len(planned)


def test_needed_by_leaves_time_for_the_road(dingri: Scenario) -> None:
    for planned in plan_requests(dingri):
        road_s = dingri.routes[planned.request.station_id, planned.request.hospital_id]
        assert planned.request.needed_by >= planned.at + timedelta(seconds=road_s)


def test_revisions_rise_to_the_final_count_and_end_in_a_cancellation(dingri: Scenario) -> None:
    revisions = dingri.alerts.revision
    sent = [revision.sent_at for revision in revisions]
    assert sent == sorted(sent)
    counts = [revision.casualties for revision in revisions if revision.casualties]
    dead = [count.dead for count in counts if count.dead is not None]
    assert dead == sorted(dead)
    assert (counts[-1].dead, counts[-1].injured) == (126, 340)
    assert revisions[-1].kind == "cancel"


def test_a_count_without_the_injured_is_not_sent_as_a_zero(dingri: Scenario) -> None:
    assert all(
        revision.casualties is None or revision.casualties.injured
        for revision in dingri.alerts.revision
    )


def test_a_misspelt_field_is_refused(dingri: Scenario) -> None:
    fields = dingri.model_dump(mode="json", by_alias=True)
    fields["timeline"]["spede"] = 3
    with pytest.raises(ValidationError, match="spede"):
        Scenario.model_validate(fields)
