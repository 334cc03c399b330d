"""The synthetic patients: blood group or unknown group, sex and age."""

from __future__ import annotations

from random import Random

from demo.random_draws import draw
from demo.scenario import Scenario
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient, Sex

_SEEN_SHARE = 0.6
"""Share of patients of unknown group whose sex and rough age are known."""


def draw_group(scenario: Scenario, chance: Random) -> BloodGroup:
    """Draw a group at the frequencies of the scenario."""
    stock = scenario.stock
    (abo,) = chance.choices(list(Abo), weights=[stock.abo[abo] for abo in Abo])
    negative = chance.random() < scenario.requests.patients.rhd_negative
    return BloodGroup.of(abo, RhD.NEGATIVE if negative else RhD.POSITIVE)


def draw_patient(scenario: Scenario, number: int) -> tuple[Patient, BloodGroup]:
    """Draw a patient as the hospital knows them at first, and the group that typing finds.

    The reference is a pseudonym, never a name.
    """
    shares = scenario.requests.patients
    chance = draw(scenario.seed, "patient", number)
    is_unknown = chance.random() < shares.unknown_group
    is_child = chance.random() < shares.child
    is_seen = not is_unknown or chance.random() < _SEEN_SHARE
    sex = Sex.FEMALE if chance.random() < shares.female else Sex.MALE
    age = chance.randint(2, 15) if is_child else chance.randint(17, 78)
    group = draw_group(scenario, chance)
    patient = Patient(
        reference=f"P{number:04d}",
        group=None if is_unknown else group,
        sex=sex if is_seen else None,
        age_years=age if is_seen else None,
    )
    return patient, group
