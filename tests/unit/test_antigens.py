"""The vocabulary of antigens: every spelling is read to one name, and no two names are mixed up."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from checker.antigens import TOGETHER, read_antigen
from gateway.files.cells import read_names
from models.antigens import ABSENT_WITH, PLATELETS, RED_CELLS, KeptName, read_red_cell_antigen
from models.broken_rule import BrokenRuleError
from models.clearance import Cleared, Step
from models.components import Component
from models.errors import ContractError
from models.events import decode_event
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import HardAttributes, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.rules.types.antigens import list_unusual
from models.safety import clear
from models.texts.validation import describe_broken
from models.units import UnitTraits
from tests.support.safety import build_facts, build_purpose, build_route
from tests.support.world import NOW, build_request

SPELLINGS = {
    "D": "RhD antiD anti-D ANTI-D d Rh(D) 抗-D 抗D RH1 004001 抗D抗体 Rh0 RHD",
    "C": "RhC 抗-C RH2 大C",
    "c": "Rhc anti-c RH4 小c 抗c抗原 c-",
    "E": "anti-E RH3",
    "e": "anti-e RH5 antie",
    "K": "KEL1 Kell KELL K1 006001",
    "k": "KEL2 Cellano K2",
    "s": "MNS4 小s",
    "Jka": "Jk(a) Jk^a JKa JKA jka JK1 Jkᵃ Jkª 抗-Jka Jk(a-)",
    "Mur": "MNS10 mur 抗-Mur",
    "Mia": "Mi(a) MNS7 MIA",
    "Dib": "DI2 Di(b)",
    "PP1Pk": "Tja",
    "f": "ce RH6",
    "cE": "抗-cE RH27",
    "I": "I1 027001",
    "i": "207002 抗-i",
    "Ge": "GE2 Ge2",
    "Ata": "AUG2 At(a)",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_c35_every_spelling_is_read_to_one_name(name: str) -> None:
    for spelling in (name, *SPELLINGS[name].split()):
        assert read_red_cell_antigen(spelling) == name, spelling


def test_c35_no_two_antigens_are_written_alike() -> None:
    """Capitals are all that tells some apart; nothing but the exact letter is read there."""
    for low, high in ("cC", "eE", "kK", "sS", "iI"):
        assert read_red_cell_antigen(low) == low
        assert read_red_cell_antigen(high) == high
    for name in RED_CELLS.names:
        assert read_red_cell_antigen(name) == name
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,7}", name), "readers of v1 expect this form"
    assert not set(RED_CELLS.names) & set(PLATELETS.names)


@pytest.mark.parametrize("text", ["p", "F", "CD", "Rh", "IgA", "Jkz", "Fy(a+)", "E,c", "foo", "A2"])
def test_c35_what_may_mean_two_or_nothing_is_refused(text: str) -> None:
    with pytest.raises(BrokenRuleError):
        read_red_cell_antigen(text)


def test_c35_a_refusal_names_what_is_near_and_what_to_do() -> None:
    with pytest.raises(ValidationError) as caught:
        Patient.model_validate({"antibodies": ["Jkz", "HPA1a"]})
    near, platelet = (describe_broken(error) for error in caught.value.errors())
    assert "Jka" in near.zh
    assert "一项写一个抗原" in near.zh
    assert "HPA-1a" in platelet.zh
    assert "platelet_antibodies" in platelet.zh


def test_c35_the_usual_antigens_are_known_and_the_rule_lists_what_was_missing() -> None:
    usual = PACKAGED.antigens.east_asia.antigens
    assert {"M", "S", "s", "Dib"} <= set(usual)
    assert set(usual) <= set(RED_CELLS.names)
    assert list_unusual(["D", "A", "E", "Vel"], rules=PACKAGED.antigens) == ["Vel"]


def test_c35_cells_of_a_file_are_read_by_the_same_vocabulary() -> None:
    names = read_names("E阴性、Jk(a-) 抗-c")
    assert UnitTraits.model_validate({"antigen_negative": names}).antigen_negative == (
        "E", "Jka", "c",
    )  # fmt: skip


def write_event(antibody: str) -> bytes:
    body = json.loads(build_request().model_dump_json())
    body["patient"]["antibodies"] = [antibody]
    return json.dumps({"request": body}).encode()


def test_c45_an_old_event_is_read_where_its_name_is_known_and_kept_whole_where_it_is_not() -> None:
    event = decode_event("blood.request.opened.v1", write_event("RhD"))
    assert event.model_dump()["request"]["patient"]["antibodies"] == ("D",)
    with pytest.raises(ContractError, match="body_invalid"):
        decode_event("blood.request.opened.v1", write_event("whatever"))


def test_c35_an_old_row_keeps_an_unknown_antibody_and_nothing_goes_out() -> None:
    body = json.loads(build_request().model_dump_json())
    body["patient"]["antibodies"] = ["antiD", "Xyz"]
    request = UrgentRequest.of_row(body)
    assert request.patient.antibodies == ("D", "Xyz")
    assert isinstance(request.patient.antibodies[1], KeptName)
    changed = request.patient.but(antibodies=(*request.patient.antibodies, "E"))
    assert changed.antibodies == ("D", "E", "Xyz")
    traits = UnitTraits.of_row({"antigen_negative": ["Rh-E"], "hla": ["A2", "??"]})
    assert traits.antigen_negative == ("E",)
    assert traits.hla == ("??", "A2")
    assert not fits(
        build_facts(group=BloodGroup.O_NEG, traits=traits), Patient(group=BloodGroup.A_NEG).but(
            antibodies=changed.antibodies
        )
    )  # fmt: skip


def fits(unit: object, patient: Patient, **attributes: object) -> bool:
    purpose = build_purpose(patient=patient, attributes=HardAttributes.model_validate(attributes))
    answer = clear(
        unit,  # type: ignore[arg-type]
        purpose=purpose,
        step=Step.RESERVE,
        route=build_route(),
        now=NOW,
        rules=PACKAGED,
    )
    return isinstance(answer, Cleared)


@pytest.mark.parametrize("written", ["RhD", "antiD", "d"])
def test_c45_anti_d_in_other_words_finds_rhd_negative_and_never_rhd_positive(written: str) -> None:
    patient = Patient(group=BloodGroup.O_NEG, antibodies=(written,))
    assert patient.has_anti_d
    assert fits(build_facts(group=BloodGroup.O_NEG), patient)
    platelets = build_facts(component=Component.PLATELETS, group=BloodGroup.O_POS)
    purpose = build_purpose(component=Component.PLATELETS, patient=patient)
    answer = clear(
        platelets, purpose=purpose, step=Step.RESERVE, route=build_route(), now=NOW, rules=PACKAGED
    )
    assert not isinstance(answer, Cleared)


def test_c47_the_label_of_an_o_bag_says_that_it_lacks_a_and_b() -> None:
    child = Patient(group=BloodGroup.A_POS, antibodies=("A",))
    assert fits(build_facts(group=BloodGroup.O_POS), child)
    assert not fits(build_facts(group=BloodGroup.A_POS), child)
    against_b = Patient(group=BloodGroup.AB_POS, antibodies=("抗-B",))
    assert fits(build_facts(group=BloodGroup.A_POS), against_b)
    assert not fits(build_facts(group=BloodGroup.B_POS), against_b)


def test_a_compound_antigen_is_absent_only_with_both_its_parts() -> None:
    """Anti-c with anti-E is written 抗-cE as well: a bag that lacks one of them must not pass."""
    patient = Patient(group=BloodGroup.A_POS, antibodies=("抗-cE",))
    assert not fits(build_facts(traits=UnitTraits(antigen_negative=("c",))), patient)
    assert fits(build_facts(traits=UnitTraits(antigen_negative=("c", "E"))), patient)


def test_the_checker_reads_names_by_its_own_table() -> None:
    for name in RED_CELLS.names:
        assert read_antigen(name) == name
    for spelling in ("RhD", "antiD", "d", "抗-D", "RH1", "Jk(a)", "JKa", "Jk^a", "KEL1", "anti-e"):
        assert read_antigen(spelling) == RED_CELLS.find(spelling), spelling
    ways = {name: {frozenset(parts.split())} for name, parts in TOGETHER.items()}
    assert ways == {name: set(parts) for name, parts in ABSENT_WITH.items()}
