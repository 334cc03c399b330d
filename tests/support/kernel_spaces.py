"""The cases that the safety kernel is asked about: each space varies some facts in every way.

Here stand the spaces that do not depend on the patient, and `mixtures`, which draws from everything
at once, with a fixed seed. Those of groups and of states have modules of their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from models.clearance import ForPatient, Purpose, Step, UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.patients import Indication, Patient
from models.requests import HardAttributes, Priority
from models.shelf_lives import Anticoagulant, PlateletBag
from models.units import UnitStatus, UnitTraits
from tests.oracle.components import COMPONENTS
from tests.support.kernel_cases import Case
from tests.support.kernel_groups import draw_special
from tests.support.kernel_releases import RELEASES
from tests.support.kernel_states import EXPIRIES
from tests.support.kernel_tables import CONSENT, POLICIES
from tests.support.safety import (
    ARRIVAL,
    build_facts,
    build_purpose,
    build_route,
    build_transfer,
)
from tests.support.world import NOW

BOTH = (False, True)
ROUTE = build_route()
LOW = UnitTraits(low_titre=True)
SECOND = timedelta(seconds=1)


def shelf_lives() -> Iterator[Case]:
    """Every component about the end of its shelf life and of the day after, now and on arrival.

    The label is dated later than that, the same, earlier, or about now.
    """
    ends = (timedelta(0), timedelta(days=1), timedelta(days=2))
    offs = (-SECOND, timedelta(0), SECOND)
    for component, end, off, reached_at in itertools.product(
        Component, ends, offs, (NOW, ARRIVAL, ARRIVAL + timedelta(days=1))
    ):
        keeps = timedelta(days=COMPONENTS[component.value].shelf_d)
        collected_at = reached_at - keeps - end + off
        labels = (*EXPIRIES, collected_at + keeps, *(NOW + timedelta(days=d) for d in (1, 9)))
        for expires_at, step in itertools.product(labels, Step):
            unit = build_facts(
                component=component,
                status=UnitStatus.AVAILABLE if step is Step.RESERVE else UnitStatus.PICKED,
                collected_at=collected_at,
                expires_at=expires_at,
            )
            for purpose in (
                build_purpose(component=component),
                build_transfer(component=component),
            ):
                yield Case(unit=unit, purpose=purpose, step=step, route=ROUTE)


def lives() -> Iterator[Case]:
    """Every component, however it was made, about every end that this sets; the label says more.

    A unit ends alike whoever it is for: for a station a share of the cases is asked.
    """
    draw = Random("lives")
    far = NOW + timedelta(days=9_000)
    for component, made, days, off, reached_at in itertools.product(
        Component,
        ways_of_making(),
        (0.5, 1, 14, 21, 22, 28, 35, 36, 42, 43),
        (-SECOND, timedelta(0), SECOND),
        (NOW, ARRIVAL, ARRIVAL + timedelta(hours=4)),
    ):
        collected_at = reached_at - timedelta(days=days) + off
        unit = build_facts(
            component=component,
            collected_at=collected_at,
            expires_at=far,
            traits=UnitTraits.model_validate(
                {
                    name: collected_at + value if isinstance(value, timedelta) else value
                    for name, value in made.items()
                }
            ),
        )
        purpose = build_purpose(component=component)
        yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)
        if draw.random() < 1 / 4:
            transfer = build_transfer(component=component)
            yield Case(unit=unit, purpose=transfer, step=Step.RESERVE, route=ROUTE)
    yield from treatments(far)


def treatments(far: datetime) -> Iterator[Case]:
    """Washed, thawed and irradiated so long ago that the unit has just ended, or not yet."""
    names = ("washed_at", "thawed_at", "irradiated_at")
    hours = (3, 4, 20, 24, 14 * 24)
    for component, name, ago_h, off, age_d, can_thaw, needed_h in itertools.product(
        Component, names, hours, (-SECOND, timedelta(0), SECOND), (1, 14, 15, 30), BOTH, (0, 2)
    ):
        done_at = ARRIVAL - timedelta(hours=ago_h) + off
        unit = build_facts(
            component=component,
            collected_at=done_at - timedelta(days=age_d) + off,
            expires_at=far,
            traits=UnitTraits.model_validate({name: done_at}),
        )
        route = build_route(can_thaw=can_thaw)
        needed_by = NOW + timedelta(hours=needed_h)
        for purpose in (
            build_purpose(component=component, needed_by=needed_by),
            build_transfer(component=component),
        ):
            yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=route)


def ways_of_making() -> Iterator[dict[str, Any]]:
    """Traits that say how a unit was made; a time is counted from its collection."""
    yield from ({"anticoagulant": anticoagulant} for anticoagulant in (None, *Anticoagulant))
    for bag, agitated in itertools.product((None, *PlateletBag), (None, *BOTH)):
        yield {"bag": bag, "agitated": agitated}
    for flag in ("irradiated", "washed"):
        yield {flag: True}
        yield from ({f"{flag}_at": timedelta(days=days)} for days in (0, 7, 14, 14.5, 20))
    yield {"thawed_at": timedelta(days=13)}
    yield {"anticoagulant": "as_1", "irradiated_at": timedelta(days=14), "washed": True}


def needs() -> Iterator[Case]:
    """Every component about its end, and about the oldest wanted, by the time of need.

    Needed at once, on arrival, and long after it.
    """
    far = timedelta(days=400)
    for component, needed_by, off, step in itertools.product(
        Component,
        (NOW - SECOND, NOW, ARRIVAL - SECOND, ARRIVAL, ARRIVAL + SECOND, NOW + far),
        (-SECOND, timedelta(0), SECOND, timedelta(days=1)),
        Step,
    ):
        purpose = build_purpose(component=component, needed_by=needed_by)
        status = UnitStatus.AVAILABLE if step is Step.RESERVE else UnitStatus.PICKED
        in_use = max(needed_by, ARRIVAL)
        ends = (needed_by, ARRIVAL, NOW, *(in_use + timedelta(hours=h) for h in (1, 1.5, 4, 4.5)))
        for expires_at in (end + off for end in ends):
            unit = build_facts(component=component, status=status, expires_at=expires_at)
            yield Case(unit=unit, purpose=purpose, step=step, route=ROUTE)
        for max_age_d, used_at in itertools.product((1, 7), (needed_by, ARRIVAL)):
            young = build_purpose(
                component=component,
                needed_by=needed_by,
                attributes=HardAttributes(max_age_d=max_age_d),
            )
            collected_at = used_at - timedelta(days=max_age_d) + off
            unit = build_facts(component=component, status=status, collected_at=collected_at)
            yield Case(unit=unit, purpose=young, step=step, route=ROUTE)


def places() -> Iterator[Case]:
    """The component and the station that was asked, and another; for patients and stations.

    A status and a step have nothing to do with where a unit lies: some of each are drawn.
    """
    draw = Random("places")
    steps = list(itertools.product(UnitStatus, Step))
    serving = (BloodGroup.A_POS, BloodGroup.A_NEG)
    for asked, component, station_id, group in itertools.product(
        Component, Component, ("shigatse", "lhasa"), BloodGroup
    ):
        purposes = (
            build_purpose(component=asked),
            build_transfer(component=asked, groups=serving),
        )
        sound = [(UnitStatus.AVAILABLE, Step.RESERVE), (UnitStatus.PICKED, Step.ISSUE)]
        for status, step in (*sound, *draw.sample(steps, k=2)):
            unit = build_facts(
                component=component, station_id=station_id, group=group, status=status
            )
            for purpose in purposes:
                yield Case(unit=unit, purpose=purpose, step=step, route=ROUTE)


ON_THE_WAY_S = (0, 1, 1799, 1800, 1801, 12_600, 14_399, 14_400, 14_401, 86_400, 86_401)
OUT_S = (None, 0, 1, 1799, 1800, 1801, 14_399, 14_400)


def journeys() -> Iterator[Case]:
    """Every length of way, lapse of temperature and means of the receiver, by component."""
    for component, transport_s, out_s, kept, agitated, can_thaw, unusable in itertools.product(
        Component, ON_THE_WAY_S, OUT_S, BOTH, BOTH, BOTH, BOTH
    ):
        unit = build_facts(component=component, out_of_control_s=out_s)
        # What the receiver cannot use is this component, or another one.
        others = tuple(
            unusable_component
            for unusable_component in Component
            if (unusable_component is component) is unusable
        )
        route = build_route(
            transport_s=transport_s,
            temperature_kept=kept,
            agitated=agitated,
            can_thaw=can_thaw,
            unusable=others[:1],
        )
        for purpose in (build_purpose(component=component), build_transfer(component=component)):
            yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=route)


def demands(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Every set of flags demanded against every set that the unit has."""
    names = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
    sets = [dict(zip(names, bits, strict=True)) for bits in itertools.product(BOTH, repeat=5)]
    for component in components:
        draw = Random(f"demands {component}")
        units = [
            build_facts(component=component, group=group, traits=UnitTraits(**has))
            for has, group in itertools.product(sets, (BloodGroup.A_POS, BloodGroup.A_NEG))
        ]
        for wanted in sets:
            # Whether the group is to be identical has nothing to do with the flags.
            identical = draw.choice(BOTH)
            purpose = build_purpose(
                component=component,
                attributes=HardAttributes(identical_group_only=identical, **wanted),
            )
            for unit in units:
                yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def ages_of_blood() -> Iterator[Case]:
    """The oldest unit wanted, to the second."""
    ages = (timedelta(days=days) for days in (0, 1, 2, 3))
    collected = [ARRIVAL - age + off for age in ages for off in (-SECOND, timedelta(0), SECOND)]
    collected += [NOW - timedelta(days=1), NOW - timedelta(days=2)]
    for max_age_d, at in itertools.product((None, 1, 2, 3), collected):
        purpose = build_purpose(attributes=HardAttributes(max_age_d=max_age_d))
        unit = build_facts(collected_at=at)
        yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def antigens(components: Iterable[Component] = tuple(Component)) -> Iterator[Case]:
    """Every set of antigens demanded, antibodies of the patient and antigens tested as absent."""
    for component in components:
        units = [
            build_facts(
                component=component, group=group, traits=UnitTraits(antigen_negative=tested)
            )
            for tested, group in itertools.product(
                _subsets("C", "D", "Dia", "Mur"), (BloodGroup.A_POS, BloodGroup.O_NEG)
            )
        ]
        for wanted, against in itertools.product(
            _subsets("C", "D", "Dia"), _subsets("C", "D", "Mur")
        ):
            purpose = build_purpose(
                component=component,
                patient=Patient(group=BloodGroup.A_POS, antibodies=against),
                attributes=HardAttributes(antigen_negative=wanted),
            )
            for unit in units:
                yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def identical_only() -> Iterator[Case]:
    """The identical group demanded for every patient's group and every unit's."""
    for component, asked, group in itertools.product(Component, (None, *BloodGroup), BloodGroup):
        purpose = build_purpose(
            component=component,
            patient=Patient(group=asked),
            priority=Priority.LIFE_THREATENING,
            attributes=HardAttributes(identical_group_only=True),
        )
        unit = build_facts(component=component, group=group, traits=LOW)
        yield Case(unit=unit, purpose=purpose, step=Step.RESERVE, route=ROUTE)


def mixtures(count: int, *, seed: int = 399) -> Iterator[Case]:
    """Facts drawn together, so that what no other space crosses is crossed here."""
    draw = Random(seed)
    for _ in range(count):
        purpose = _draw_purpose(draw)
        route = build_route(
            arrival_at=NOW + timedelta(seconds=draw.choice((0, 1800, 90_000))),
            transport_s=draw.choice(ON_THE_WAY_S),
            temperature_kept=draw.random() < 0.8,
            agitated=draw.choice(BOTH),
            can_thaw=draw.random() < 0.8,
            unusable=tuple(draw.sample(tuple(Component), k=draw.choice((0, 0, 1)))),
        )
        component = purpose.line.component if isinstance(purpose, ForPatient) else purpose.component
        unit = _draw_unit(draw, component if draw.random() < 0.9 else draw.choice(list(Component)))
        yield Case(unit=unit, purpose=purpose, step=draw.choice(list(Step)), route=route)


DONE_AGO = {"irradiated_at": 1, "washed_at": 19, "thawed_at": 3}
"""Hours."""


def _draw_unit(draw: Random, component: Component) -> UnitFacts:
    traits = UnitTraits(
        leukoreduced=draw.choice(BOTH),
        irradiated=draw.choice(BOTH),
        cmv_negative=draw.choice(BOTH),
        washed=draw.choice(BOTH),
        low_titre=draw.choice(BOTH),
        c_positive=draw.choice(BOTH),
        del_typed=draw.choice(BOTH),
        antigen_negative=draw.choice(_subsets("C", "D", "Mur")),
        hla=draw.choice(_subsets("B7", "B8")),
        anticoagulant=draw.choice((None, *Anticoagulant)),
        bag=draw.choice((None, *PlateletBag)),
        agitated=draw.choice((None, *BOTH)),
        **{
            name: draw.choice((None, None, NOW - timedelta(hours=h)))
            for name, h in DONE_AGO.items()
        },
        platelet_antigen_negative=draw.choice(_subsets("CD36", "HPA-1a")),
        iga_deficient=draw.choice(BOTH),
        of_relative=draw.random() < 0.1,
    )
    return build_facts(
        component=component,
        station_id=draw.choice(("shigatse", "shigatse", "shigatse", "lhasa")),
        group=draw.choice(list(BloodGroup)),
        status=draw.choice([*[UnitStatus.AVAILABLE, UnitStatus.PICKED] * 7, *UnitStatus]),
        collected_at=NOW - timedelta(days=draw.choice((0, 1, 2, 9))),
        expires_at=draw.choice((*EXPIRIES, NOW + timedelta(days=2), NOW + timedelta(days=3))),
        released=draw.random() < 0.9,
        recalled=draw.random() < 0.1,
        traits=traits,
        out_of_control_s=draw.choice((None, None, *OUT_S)),
    )


def _draw_purpose(draw: Random) -> Purpose:
    component = draw.choice(list(Component))
    if draw.random() < 0.2:
        serving = tuple(draw.sample(tuple(BloodGroup), k=draw.randint(0, 8)))
        return build_transfer(component=component, groups=serving)
    patient = Patient(
        group=draw.choice((None, *BloodGroup)),
        sex=draw.choice((None, "female", "male")),
        age_years=draw.choice((None, *range(70))),
        age_estimated=draw.random() < 0.2,
        antibodies=draw.choice(_subsets("C", "D", "Mur")) if draw.random() < 0.3 else (),
        platelet_antibodies=draw.choice(_subsets("CD36")) if draw.random() < 0.2 else (),
        hla_antibodies=draw.choice(_subsets("B7", "A2")) if draw.random() < 0.1 else (),
        antigen_negative=draw.choice(_subsets("C", "K")) if draw.random() < 0.3 else (),
        indications=draw.sample(tuple(Indication), k=draw.choice((0, 0, 0, 1, 2))),
        asian_del=draw.random() < 0.2,
        chronically_transfused=draw.choice(BOTH),
        rhd_consent=draw.choice((None, CONSENT)),
        anti_d_prophylaxis_ordered=draw.choice(BOTH),
        reference=draw.choice((None, "bed-1")),
        **(draw_special(draw) if draw.random() < 0.3 else {}),
    )
    attributes = HardAttributes(
        irradiated=draw.random() < 0.2,
        washed=draw.random() < 0.2,
        low_titre=draw.random() < 0.2,
        identical_group_only=draw.random() < 0.1,
        antigen_negative=draw.choice(_subsets("C", "D")) if draw.random() < 0.3 else (),
        hla_matched=draw.choice(_subsets("B7", "B8")) if draw.random() < 0.1 else (),
        max_age_d=draw.choice((None, None, 1, 2, 9)),
    )
    purpose = build_purpose(
        component=component,
        patient=patient,
        priority=draw.choice(list(Priority)),
        release=draw.choice((None, None, *RELEASES)),
        policy=draw.choice(POLICIES),
        needed_by=NOW + timedelta(days=draw.choice((-1, 0, 0, 0, 2))),
        capped_units=draw.randint(0, 6),
    )
    return replace(purpose, line=purpose.line.but(attributes=attributes))


def _subsets(*names: str) -> list[tuple[str, ...]]:
    sizes = range(len(names) + 1)
    return [chosen for size in sizes for chosen in itertools.combinations(names, size)]
