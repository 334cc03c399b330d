"""Cases of needs, HLA, platelet antigens and mothers for the safety kernel and the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

from models.clearance import ForPatient, Step, UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.patients import Indication, Mother, Patient
from models.requests import HardAttributes, Priority
from models.units import UnitTraits
from tests.support.kernel_cases import Case
from tests.support.safety import ARRIVAL, build_facts, build_purpose, build_route

ROUTE = build_route()
BOTH = (False, True)
SECOND = timedelta(seconds=1)
COMPONENTS = (
    Component.RED_CELLS,
    Component.WASHED_RED_CELLS,
    Component.PLATELETS,
    Component.WHOLE_BLOOD,
    Component.FROZEN_PLASMA,
)
PHENOTYPES = ((), ("c",), ("C", "E", "K", "Jka"))
TRAITS = (
    UnitTraits(),
    UnitTraits(irradiated=True),
    UnitTraits(irradiated=True, cmv_negative=True, hbs_negative=True, low_titre=True),
    UnitTraits(irradiated=True, cmv_negative=True, hbs_negative=True, antigen_negative=("K",)),
    UnitTraits(cmv_negative=True, washed=True, antigen_negative=("C", "E", "K")),
    UnitTraits(hbs_negative=True, iga_deficient=True, antigen_negative=("C", "c", "E", "K", "e")),
    UnitTraits(of_relative=True),
    UnitTraits(of_relative=True, irradiated=True),
)


def _ask(purposes: Iterable[ForPatient], units: Iterable[UnitFacts]) -> Iterator[Case]:
    lying = list(units)
    for purpose in purposes:
        for unit in lying:
            yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def stated() -> Iterator[Case]:
    """Every need, of the patient or of the line, with every phenotype, in danger and not."""
    for component in COMPONENTS:
        units = [build_facts(component=component, traits=traits) for traits in TRAITS]
        purposes = [
            build_purpose(
                component=component,
                patient=Patient(
                    group=BloodGroup.A_POS,
                    indications=() if of_line else (need,),
                    antigen_negative=lacks,
                    antibodies=antibodies,
                    chronically_transfused=chronic,
                ),
                attributes=HardAttributes(indications=(need,) if of_line else ()),
                priority=priority,
            )
            for need, lacks, antibodies, priority, of_line, chronic in itertools.product(
                Indication,
                PHENOTYPES,
                ((), ("k",)),
                (Priority.URGENT, Priority.LIFE_THREATENING),
                BOTH,
                BOTH,
            )
        ]
        yield from _ask(purposes, units)


def ages() -> Iterator[Case]:
    """Both sides of the age to which a child is a newborn, and blood at its oldest."""
    limits = (timedelta(days=5) - SECOND, timedelta(days=5), timedelta(days=5) + SECOND)
    units = [
        build_facts(
            collected_at=ARRIVAL - age,
            traits=UnitTraits(cmv_negative=cmv),
            component=component,
        )
        for age, cmv, component in itertools.product(limits, BOTH, COMPONENTS)
    ]
    told = ({"age_days": 0}, {"age_days": 28}, {"age_days": 29}, {"age_years": 0}, {"age_years": 1})
    purposes = [
        build_purpose(
            component=component,
            patient=Patient.model_validate({"group": "A+", **age}),
            priority=priority,
            attributes=HardAttributes(max_age_d=max_age_d),
        )
        for age, priority, component, max_age_d in itertools.product(
            told,
            (Priority.URGENT, Priority.LIFE_THREATENING),
            (Component.RED_CELLS, Component.PLATELETS),
            (None, 3, 7),
        )
    ]
    yield from _ask(purposes, units)


def irradiations() -> Iterator[Case]:
    """Both sides of the hours after irradiation, and a bag that does not say when it was."""
    day = timedelta(days=1)
    ends = [day - runs_in for runs_in in (timedelta(0), timedelta(hours=1), timedelta(hours=4))]
    limits = [end + off for end in ends for off in (-SECOND, timedelta(0), SECOND)]
    done = [
        UnitTraits(irradiated_at=ARRIVAL - age, cmv_negative=True, antigen_negative=("K",))
        for age in limits
    ]
    units = [
        build_facts(component=component, traits=traits, collected_at=ARRIVAL - collected)
        for component, traits, collected in itertools.product(
            (Component.RED_CELLS, Component.PLATELETS),
            (*done, UnitTraits(irradiated=True), UnitTraits()),
            (*limits, timedelta(days=3)),
        )
    ]
    purposes = [
        build_purpose(
            component=component,
            patient=Patient(group=BloodGroup.A_POS, indications=(need,)),
            priority=priority,
        )
        for component, need, priority in itertools.product(
            (Component.RED_CELLS, Component.PLATELETS),
            (Indication.INTRAUTERINE, Indication.EXCHANGE, Indication.GVHD_RISK),
            (Priority.URGENT, Priority.LIFE_THREATENING),
        )
    ]
    yield from _ask(purposes, units)


def hla() -> Iterator[Case]:
    """Types of patients and donors at every level, with and without antibodies."""
    donors = (
        (), ("A2", "B7"), ("A*02:01", "B*07:02"), ("A2", "A33", "B7", "B58"), ("A9", "B40"),
        ("A*24:02", "B*40:01"), ("A*24:09N", "A2", "B60"), ("A2",), ("B*15:01", "A2"),
        ("B*15", "A*02:03"), ("A2", "B7", "Cw7", "DR4"), ("C*03:04", "A2", "B8"), ("A203", "B70"),
        ("A*99:01", "B*15:03"), ("DR4",),
    )  # fmt: skip
    mine = (
        (), ("A2", "B7"), ("A*02:01", "B*07:02"), ("A24", "B60"), ("A2",), ("B62", "A2"),
        ("B*15", "A203"), ("Cw3", "A2", "B8"), ("A2", "B71"),
    )  # fmt: skip
    against = ((), ("A33",), ("A9", "B40"), ("Cw10",), ("B*15:01",), ("A*24:02",), ("A2", "B7"))
    for component, irradiated in itertools.product(
        (Component.PLATELETS, Component.RED_CELLS), BOTH
    ):
        units = [
            build_facts(component=component, traits=UnitTraits(hla=types, irradiated=irradiated))
            for types in donors
        ]
        purposes = [
            build_purpose(
                component=component,
                patient=Patient(group=BloodGroup.A_POS, hla_antibodies=antibodies),
                attributes=HardAttributes(hla_matched=types),
                priority=priority,
            )
            for types, antibodies, priority in itertools.product(
                mine, against, (Priority.URGENT, Priority.LIFE_THREATENING)
            )
        ]
        yield from _ask(purposes, units)


def platelet_antigens() -> Iterator[Case]:
    """Antibodies of the patient and of the mother, and what a line asks for."""
    sets = ((), ("CD36",), ("HPA-1a",), ("CD36", "HPA-1a"))
    for component in COMPONENTS:
        units = [
            build_facts(component=component, traits=UnitTraits(platelet_antigen_negative=tested))
            for tested in sets
        ]
        purposes = [
            build_purpose(
                component=component,
                patient=Patient(
                    group=BloodGroup.A_POS,
                    platelet_antibodies=own,
                    mother=Mother(platelet_antibodies=hers) if hers else None,
                ),
                attributes=HardAttributes(platelet_antigen_negative=asked),
            )
            for own, hers, asked in itertools.product(sets, sets, sets)
        ]
        yield from _ask(purposes, units)


def mothers() -> Iterator[Case]:
    """A mother's antibodies against D, A, C and f, for every group of the unit."""
    sets = ((), ("D",), ("A",), ("C", "E"), ("f",), ("cE",), ("G",), ("AB",))
    tested = ((), ("C",), ("C", "E"), ("c", "e"), ("c", "E"))
    for component in COMPONENTS:
        units = [
            build_facts(component=component, group=group, traits=UnitTraits(antigen_negative=names))
            for group, names in itertools.product(BloodGroup, tested)
        ]
        purposes = [
            build_purpose(
                component=component,
                patient=Patient(
                    group=BloodGroup.AB_POS, mother=Mother(antibodies=hers), age_days=3
                ),
            )
            for hers in sets
        ]
        yield from _ask(purposes, units)


def washed() -> Iterator[Case]:
    """Every component for every other, washed or asked to be so."""
    for asked, component in itertools.product(Component, Component):
        units = [
            build_facts(component=component, traits=UnitTraits(washed=washed)) for washed in BOTH
        ]
        purposes = [
            build_purpose(
                component=asked,
                patient=Patient(group=BloodGroup.A_POS, indications=needs),
                attributes=HardAttributes(washed=wanted, iga_deficient=iga),
            )
            for wanted, iga, needs in itertools.product(
                BOTH, BOTH, ((), (Indication.IGA_DEFICIENT,))
            )
        ]
        yield from _ask(purposes, units)
