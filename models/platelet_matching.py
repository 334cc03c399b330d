"""Platelets for a patient who has antibodies against them, or is matched by HLA.

Pure. The rules are `platelets.hla_selected` and `platelets.antibodies` of `rules/data/needs.toml`.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.clearance import ForPatient, UnitFacts
from models.components import ComponentClass
from models.decisions import Reason
from models.hla import MATCHED_LOCI, ON_PLATELETS, list_foreign, list_hit, list_loci
from models.rules.rulebook import Rulebook


def list_platelet_reasons(
    unit: UnitFacts, purpose: ForPatient, rules: Rulebook
) -> Iterator[Reason]:
    """Yield the reasons of HLA and of platelet antigens against a unit for a patient."""
    is_platelets = unit.component.spec.component_class is ComponentClass.PLATELETS
    yield from _list_of_hla(unit, purpose, rules, is_platelets=is_platelets)
    against = set(purpose.line.attributes.platelet_antigen_negative)
    if is_platelets:
        against |= purpose.patient.platelet_antigens_against
    rule = rules.needs.cite(rules.needs.platelet_antibodies)
    for antigen in sorted(against.difference(unit.traits.platelet_antigen_negative)):
        yield Reason(code="not_antigen_negative", params={"antigen": antigen}, rule=rule)


def _list_of_hla(
    unit: UnitFacts, purpose: ForPatient, rules: Rulebook, *, is_platelets: bool
) -> Iterator[Reason]:
    """Yield what is wrong with the donor's HLA types: antigens that the patient lacks, or hits.

    With antibodies that are known, antigens may differ that they do not hit. A locus counts as
    typed only if the unit says so: what nobody typed may be anything.
    """
    own = purpose.line.attributes.hla_matched
    antibodies = purpose.patient.hla_antibodies if is_platelets else ()
    if not own and not antibodies:
        return
    rule = rules.needs.cite(rules.needs.hla_selected)
    typed, donor = list_loci(unit.traits.hla), unit.traits.hla
    needed = list_loci(own) & MATCHED_LOCI | list_loci(antibodies) & ON_PLATELETS
    missing = sorted(needed - typed)
    if missing or not donor:
        loci = ", ".join(missing) or "A, B"
        yield Reason(code="hla_untyped", params={"loci": loci}, rule=rule)
    for name in list_hit(donor, antibodies):
        yield Reason(code="hla_antibody_hits", params={"antigen": name}, rule=rule)
    if not antibodies:
        for name in list_foreign(donor, own):
            yield Reason(code="hla_mismatched", params={"antigen": name}, rule=rule)
