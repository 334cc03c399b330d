"""Emergency release: a named clinician answers for what a test of the patient speaks against."""

from __future__ import annotations

from typing import Any

import pytest

from models.components import Component
from models.decisions import ReservedUnit
from models.emergency_release import EmergencyRelease
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment, RequestStatus
from tests.support.memory_town import MemoryTown
from tests.support.world import build_request

RELEASE = {"clinician": "Dr Tashi", "reason": "exsanguinating"}
DYING: dict[str, Any] = {"priority": "life_threatening", "sex": "male", "age_years": 40}


@pytest.fixture
def town() -> MemoryTown:
    return MemoryTown()


async def release(town: MemoryTown, request_id: str, *passes: str, **changes: Any) -> None:  # noqa: ANN401 - as JSON gives it
    told = {**RELEASE, "passes": passes or ("antibodies",)}
    await town.amend(request_id, emergency_release=told, **changes)


def list_reserved(town: MemoryTown, request_id: str) -> list[ReservedUnit]:
    return [unit for line in town.decision(request_id).lines for unit in line.reserved]


async def test_c44_exsanguinating_with_an_antibody(town: MemoryTown) -> None:
    await town.count(*["O+"] * 5)
    await town.ask("p", 4, antibodies=("E",), **DYING)
    assert town.held("p") == []
    await release(town, "p")
    assert town.held("p") == ["O+"] * 4
    assert all(unit.emergency_release for unit in list_reserved(town, "p"))
    told = {reason.code: reason.params for reason in town.decision("p").reasons}
    assert told["emergency_release_used"] == {
        "units": 4,
        "clinician": "Dr Tashi",
        "reason": "exsanguinating",
        "passed": "E",
    }


async def test_c44_who_is_refused_is_told_of_the_release(town: MemoryTown) -> None:
    await town.count("O+")
    await town.ask("p", antibodies=("E",), **DYING)
    (line,) = town.decision("p").lines
    told = {reason.code: reason.params for reason in line.refusals}
    assert told["release_would_open"] == {"passed": "E", "groups": "O+", "units": 1}


async def test_c21_what_fits_is_taken_before_what_is_passed(town: MemoryTown) -> None:
    await town.count("O+", "O+")
    await town.count("O+", antigen_negative=["E"])
    await town.count("A+", antigen_negative=["E"])
    await town.ask("p", 2, group="A+", antibodies=("E",), emergency_release=RELEASE, **DYING)
    assert [unit.emergency_release for unit in list_reserved(town, "p")] == [False, False]
    assert "emergency_release_used" not in town.told("p")


async def test_c21_the_antibody_stands_before_rhd(town: MemoryTown) -> None:
    """A bag that lacks the antigen is better than one of the right RhD that may have it."""
    await town.count("A-")
    await town.count("A+", antigen_negative=["E"])
    await town.ask("p", group="A-", antibodies=("E",), emergency_release=RELEASE, **DYING)
    assert town.held("p") == ["A+"]


@pytest.mark.parametrize(
    ("patient", "groups"),
    [
        ({"group": "O+", "antibodies": ("E",)}, ("A+", "B+", "AB-")),
        ({"group": "A+", "antibodies": ("E",)}, ("B+", "AB+")),
        ({"group": "O+", "rare_group": "bombay"}, ("O+", "O-")),
        ({"group": "AB+", "antibodies": ("B", "E")}, ("B+", "AB+")),
    ],
)
async def test_c21_never_past_abo(
    town: MemoryTown, patient: dict[str, Any], groups: tuple[str, ...]
) -> None:
    await town.count(*groups)
    everything = {**RELEASE, "passes": ("antibodies", "special_needs")}
    await town.ask("p", emergency_release=everything, **DYING, **patient)
    assert town.held("p") == []


async def test_c21_anti_d_is_passed_as_any_antibody(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("p", group="A-", antibodies=("D",), **DYING)
    assert town.held("p") == []
    await release(town, "p")
    assert town.held("p") == ["A+"]


async def test_c21_special_needs_are_passed_only_where_it_is_said(town: MemoryTown) -> None:
    await town.count("A+")
    irradiated = {"irradiated": True}
    await town.ask("p", group="A+", attributes=irradiated, **DYING)
    await release(town, "p", "antibodies")
    assert town.held("p") == []
    await release(town, "p", "special_needs")
    assert town.held("p") == ["A+"]


async def test_c21_it_counts_only_while_life_is_in_danger(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("p", group="A+", antibodies=("E",), emergency_release=RELEASE)
    assert town.held("p") == []
    assert "emergency_release_idle" in town.told("p")
    await town.amend("p", priority="life_threatening")
    assert town.held("p") == ["A+"]
    await town.amend("p", emergency_release=None)
    assert town.held("p") == []
    assert town.status("p") is RequestStatus.OPEN


async def test_c21_it_names_who_and_why() -> None:
    for gone in ("clinician", "reason"):
        with pytest.raises(ValueError, match=gone):
            EmergencyRelease.model_validate({**RELEASE, gone: ""})


async def test_c21_an_amendment_states_and_takes_back_a_release() -> None:
    request = build_request(patient=Patient(group=BloodGroup.A_POS), component=Component.RED_CELLS)
    ids = {name: getattr(request, name) for name in ("request_id", "hospital_id", "station_id")}
    stated = Amendment.model_validate({**ids, "emergency_release": RELEASE})
    released = stated.apply_to(request)
    assert released.emergency_release == EmergencyRelease.model_validate(RELEASE)
    gone = Amendment.model_validate({**ids, "emergency_release": None})
    assert gone.apply_to(released) == request
