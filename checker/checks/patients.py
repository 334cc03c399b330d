"""Checks whether each promised unit may go to its patient, by the checker's own table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from checker.compatibility import (
    O_NEGATIVE_CAP,
    GroupTerms,
    Situation,
    get_allowed,
    is_kept_as_del,
)
from checker.database_rows import Promise, Request, Unit
from checker.evidence import World
from checker.report import Finding
from checker.request_versions import Version
from checker.shelf_lives import find_duration
from checker.unit_attributes import (
    MAY_BE_DEL,
    WITH_RED_CELLS,
    is_beyond_hospital,
    is_passed,
    list_lacking,
    serves,
)


def find_incompatible(world: World, histories: dict[str, list[Version]]) -> Iterator[Finding]:
    for promise in world.rows.promises:
        unit = world.units.get(promise.unit_id)
        request = world.requests.get(promise.request_id or "")
        if unit is None or request is None:
            continue
        told = _fault(world, promise, unit, request, histories[request.request_id])
        if told:
            yield Finding(subject=unit.unit_id, told=f"{request.request_id}: {told}")
    yield from _find_beyond_cap(world, histories)


def _fault(
    world: World, promise: Promise, unit: Unit, request: Request, versions: list[Version]
) -> str:
    line = world.lines.get((request.request_id, promise.line_no or 0))
    newest = versions[-1]
    if line is not None and not serves(
        unit.component,
        line.component,
        wanted=newest.wanted(promise.line_no),
        patient=newest.patient,
    ):
        return f"成分不符 · {unit.component}, the line asks for {line.component}"
    hospital = world.hospitals.get(request.hospital_id)
    if hospital is not None and is_beyond_hospital(unit=unit, hospital=hospital.body):
        return f"医院不能解冻 · {unit.component}, the hospital cannot thaw"
    # Only a held unit can still be exchanged, so only a held unit must fit the request as of now.
    judged = versions[-1:] if promise.status == "held" else versions
    faults = [_fault_under(world, promise, unit, request, version) for version in judged]
    return faults[-1] if all(faults) else ""


def _fault_under(
    world: World, promise: Promise, unit: Unit, request: Request, version: Version
) -> str:
    patient = version.patient
    terms = find_terms(world, unit, request, version)
    recipient = patient.group_for(unit.component) or "未知 · unknown"
    if terms is None:
        return f"血型不容 · {unit.component} {unit.blood_group} → {recipient}"
    if terms.lacks_titre(unit.traits):
        return f"须低效价 · low titre needed: {unit.blood_group} → {recipient}"
    situation = describe(world, unit, request, version)
    is_del = is_kept_as_del(blood_group=unit.blood_group, traits=unit.traits, situation=situation)
    if is_del and not is_passed(MAY_BE_DEL, version.passes):
        return f"C 阳性、未排除 DEL · may be of a DEL donor: {unit.blood_group} → {recipient}"
    used_at = max(promise.held_at, version.needed_by)
    lacking = [
        lack
        for lack in list_lacking(
            unit=unit,
            wanted=version.wanted(promise.line_no),
            patient=patient,
            used_at=used_at,
            done_at=used_at + find_duration(unit.component),
            emergency=version.priority == "life_threatening",
        )
        if not is_passed(lack, version.passes)
    ]
    return f"缺少 · lacks {', '.join(lacking)}" if lacking else ""


def find_terms(world: World, unit: Unit, request: Request, version: Version) -> GroupTerms | None:
    """Find the terms on which the unit's group may go to the patient; None if it may not."""
    situation = describe(world, unit, request, version)
    terms = get_allowed(situation).get(unit.blood_group)
    if terms is None and "antibodies" in version.passes:
        # A clinician answers for RhD+ in spite of anti-D, as for any other antibody.
        other = replace(version.patient, antibodies=version.patient.antibodies - {"D"})
        terms = get_allowed(replace(situation, patient=other)).get(unit.blood_group)
    return terms


def describe(world: World, unit: Unit, request: Request, version: Version) -> Situation:
    """Return all that decides which groups go to the patient."""
    station = world.stations.get(request.station_id)
    policy = station.body.get("policy") or {} if station is not None else {}
    return Situation(
        component=unit.component,
        patient=version.patient,
        priority=version.priority,
        low_titre_a_plasma=bool(policy.get("low_titre_a_plasma", True)),
    )


def _find_beyond_cap(world: World, histories: dict[str, list[Version]]) -> Iterator[Finding]:
    """Find patients of unknown group with more O RhD- units than the cap, over all requests."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for promise in world.rows.promises:
        request = world.requests.get(promise.request_id or "")
        if request is None or promise.status in {"released", "lost"}:
            continue
        patient = histories[request.request_id][-1].patient
        is_rationed = patient.group_for("red_cells") is None and not patient.has_anti_d
        if is_rationed and promise.blood_group == "O-" and promise.component in WITH_RED_CELLS:
            # Without a pseudonym the request is all that is known of the patient.
            counts[request.hospital_id, (patient.reference or request.request_id).lower()] += 1
    for (hospital_id, patient_id), count in counts.items():
        if count > O_NEGATIVE_CAP:
            yield Finding(
                subject=patient_id,
                told=f"未定型 O- 超限 · {count} of unconfirmed O- at {hospital_id}, "
                f"at most {O_NEGATIVE_CAP}",
            )
