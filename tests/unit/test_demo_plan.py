"""That the scenario makes the system call Nagqu's staff: by the engine's own rules, not by ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from demo.actor_context import DrillStage
from demo.actors.disaster import list_alerts
from demo.donor_reserve import make_donors
from demo.initial_stock import make_stock
from demo.scenario import Scenario, read_scenario
from models.alerts import Alert
from models.components import Component
from models.rules.rulebook import PACKAGED
from streams.matching.activation import StationSupply, decide_activations
from streams.matching.disaster_need import estimate_need
from streams.matching.donor_eligibility import DonorRecord, list_obstacles
from streams.matching.donor_waves import DonationDemand, choose_wave


@pytest.fixture(scope="module")
def dingri() -> Scenario:
    return read_scenario("dingri")


def _alerts(dingri: Scenario) -> list[Alert]:
    return list(list_alerts(cast("DrillStage", SimpleNamespace(scenario=dingri))))


def _records(dingri: Scenario, station_id: str) -> list[DonorRecord]:
    donors = [donor.donor for donor in make_donors(dingri)]
    return [DonorRecord(donor=donor) for donor in donors if donor.station_id == station_id]


def _wanted(dingri: Scenario, alert: Alert) -> dict[str, int]:
    shelf = [counted.unit for counted in make_stock(dingri) if counted.released]
    supplies = [
        StationSupply(
            station=station,
            red_cells=sum(
                unit.station_id == station.station_id and unit.component is Component.RED_CELLS
                for unit in shelf
            ),
            callable_donors=sum(
                not list_obstacles(record, now=alert.sent_at, rules=PACKAGED.donors)
                for record in _records(dingri, station.station_id)
            ),
        )
        for station in dingri.stations
    ]
    changes = decide_activations(
        estimate_need(alert, rules=PACKAGED.disasters),
        supplies,
        donors_ready_s=PACKAGED.donors.ready_after_s,
        current=[],
        now=alert.sent_at,
        rules=PACKAGED.disasters,
    )
    return {change.activation.station_id: change.activation.donors_wanted for change in changes}


def test_ngari_is_beyond_the_radius_and_helps_as_a_neighbour(dingri: Scenario) -> None:
    taking_part = _wanted(dingri, _alerts(dingri)[1])
    assert set(taking_part) == {"shigatse", "lhasa", "nagqu"}


def test_the_second_revision_calls_all_of_nagqus_staff_in_one_wave(dingri: Scenario) -> None:
    alert = _alerts(dingri)[1]
    nagqu = next(station for station in dingri.stations if station.station_id == "nagqu")
    wave = choose_wave(
        _records(dingri, "nagqu"),
        DonationDemand(
            station=nagqu,
            wanted=_wanted(dingri, alert)["nagqu"],
            expected_already=0.0,
            groups=PACKAGED.disasters.donations.group_order,
        ),
        now=alert.sent_at,
        rules=PACKAGED.donors,
    )
    called = {call.donor_id for call in wave.calls}
    assert sum("staff" in donor_id for donor_id in called) == 25
    flawed = {donor.donor.donor_id for donor in make_donors(dingri) if donor.ineligible}
    assert not called & flawed


def test_the_cancellation_wants_nobody(dingri: Scenario) -> None:
    assert not _wanted(dingri, _alerts(dingri)[-1])
