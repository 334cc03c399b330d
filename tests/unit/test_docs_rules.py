"""The page of rules is what the rule data says; nothing else in the documents says it again."""

from __future__ import annotations

import re

import pytest

from cli.rules_page import FILES, PAGE, READINGS, UNITS, build_page
from models.facilities import StationPolicy
from models.rules.citations import RuleKind
from models.rules.corrections import list_corrections
from models.rules.donor_laws import list_packaged_laws
from models.rules.overrides import check_overrides
from models.rules.rulebook import PACKAGED, RULE_FILES, Rule

RULES = PACKAGED.list_rules()


def test_the_page_is_what_the_data_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == build_page(), "make rules"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.rule_id)
def test_every_rule_stands_there_with_its_source_and_values(rule: Rule) -> None:
    (section,) = (
        part for part in build_page().split("\n### ") if part.startswith(f"`{rule.rule_id}`\n")
    )
    assert rule.source in section
    assert rule.kind in section
    assert rule.zh in section
    rows = {line.split("|")[1].strip(" `"): line for line in section.splitlines() if "| `" in line}
    assert {value.name for value in rule.values} <= rows.keys()
    assert READINGS[rule.read] in section
    assert (f"abolished from {rule.until}" in section) is (rule.until is not None)
    assert ("undated" in section) is (rule.since == "unknown")
    assert rule.since in section or rule.since == "unknown"
    for name in rule.confirm:
        assert "⚠" in rows[name]


def test_the_page_has_every_file_and_unit() -> None:
    assert tuple(FILES) == tuple(RULE_FILES)
    assert {value.terms.unit for rule in RULES for value in rule.values} == set(UNITS)


def test_the_example_of_a_station_is_accepted() -> None:
    example = build_page().split("```toml\n")[1].split("```")[0]
    checked = check_overrides(example.encode())
    assert not checked.mistakes
    assert len(checked.changes) == 3


def test_the_version_in_the_text_is_one_that_a_file_can_have() -> None:
    text = b'station="s"\nversion="1"\napproved_by="x"\n'
    text += b"[rules.unknown.o_negative_cap]\no_negative_units=2\n"
    text += b'[rules."red_cells.abo"]\nAB=["AB","O"]\n'
    version = check_overrides(text).rules.version
    assert version in build_page()


def test_what_a_silent_record_means_is_told_by_the_policies() -> None:
    told = {
        value.value
        for rule in RULES
        if rule.set_in == "station" and rule.file == "policies"
        for value in rule.values
    }
    policy = StationPolicy()
    own = {policy.low_titre_a_plasma, policy.activation_radius_km, policy.no_show_grace_s}
    own |= {policy.acceptance_rate, policy.staff_acceptance_rate, policy.show_up_rate}
    assert told == own | set(policy.thresholds.model_dump().values())


def test_every_kind_of_rule_is_there() -> None:
    assert {rule.kind for rule in RULES} == set(RuleKind)


def test_c01_every_corrected_value_stands_in_the_table_of_a_rule_that_exists() -> None:
    page = build_page()
    corrections = list_corrections()
    assert len({correction.rule for correction in corrections}) == len(corrections)
    for correction in corrections:
        assert correction.rule in PACKAGED.rules
        assert re.search(r"[\u4e00-\u9fff]", correction.zh)
        assert correction.before != correction.after
        row = f"| `{correction.rule}` | {correction.before} | {correction.after} |"
        assert row in page


CORRECTED = {
    "C02": ["shelf_life.red_cells"],
    "C03": ["shelf_life.red_cells", "shelf_life.whole_blood"],
    "C04": ["shelf_life.platelets", "transport.agitation"],
    "C05": ["shelf_life.washed_red_cells", "shelf_life.after_washing"],
    "C06": ["shelf_life.after_irradiation", "need.intrauterine", "need.exchange"],
    "C07": ["shelf_life.after_thawing"],
    "C08": ["red_cells.deglycerolised"],
    "C09": ["component.platelet_concentrate", "granulocytes.irradiated"],
    "C10": ["transport.longest"],
    "C11": ["cryoprecipitate.abo"],
    "C12": ["plasma.low_titre", "plasma.low_titre_a"],
    "C13": ["platelets.abo"],
    "C16": ["unknown.group"],
    "C18": ["rhd.unprotected", "rhd.lifesaving"],
    "C19": ["rhd.childbearing"],
    "C20": ["rhd.preferred"],
    "C21": ["emergency.release"],
    "C22": ["platelets.hla_selected"],
    "C24": ["dose.cryoprecipitate", "pack.6_6_1"],
    "C25": ["dose.concentrate"],
    "C26": ["dose.red_cells", "dose.plasma"],
    "C27": ["disaster.platelet_doses"],
    "C28": ["disaster.first_reports"],
    "C29": ["donor.interval.whole_blood"],
    "C30": ["donor.age"],
    "C31": ["returns.handed_over"],
    "C32": ["issue.electronic"],
    "C33": ["rhd.del_donors"],
    "C34": ["testing.nat"],
    "C35": ["antigen.east_asia"],
    "C37": ["group.disputed"],
    "C46": ["need.newborn", "need.infant", "group.mother"],
    "C50": ["group.rare"],
    "C51": ["transplant.groups"],
    "C52": ["need.anti_cd38"],
    "C53": ["need.iga_deficient"],
    "C56": ["platelets.antibodies"],
    "C57": ["need.chronically_transfused", "need.thalassaemia", "need.sickle_cell"],
    "C58": ["unit.of_relative"],
    "C63": ["unit.outlives_use"],
    "C73": ["rhd.kept_for_negative"],
    "C74": ["reserve.emergency_o"],
    "C75": ["offer.rhd_negative_kept"],
    "C79": ["supply.useful_part"],
    "C85": ["shortage.burn_rate"],
    "C86": ["offer.floor_bends"],
    "C88": ["donor.ready"],
    "C89": ["donor.apheresis_serves"],
}
"""The rules whose value a case corrected, or which took the place of a behaviour."""


@pytest.mark.parametrize("case", CORRECTED)
def test_every_rule_that_a_case_corrected_stands_in_the_table(case: str) -> None:
    told = {correction.rule: correction for correction in list_corrections()}
    for rule in CORRECTED[case]:
        assert rule in told, rule


def test_c29_every_law_of_a_region_stands_on_the_page() -> None:
    page = build_page()
    for law in list_packaged_laws():
        (row,) = (line for line in page.splitlines() if f"`{law.law}`" in line)
        assert law.source in row
        assert ("a draft" in row) is (law.since is None)
        assert ("90 天 days" in row) is (law.law == "cn-2025-draft")
        assert ("女 women 4 月 months" in row) is (law.region == "CN-HI")


def test_c17_the_emergency_rule_cites_what_china_says() -> None:
    rule = PACKAGED.rules["unknown.group"]
    assert "PREPARE-2024CN1174" in rule.source
    assert "art. 10" in rule.note
    assert "PREPARE-2024CN1174" in build_page()


def test_c32_electronic_issue_is_also_compared_with_the_patients_history() -> None:
    electronic = PACKAGED.issue.electronic
    assert electronic.agrees_with_history
    assert "agrees_with_history" in electronic.confirm
    assert "AABB 5.14.8" in electronic.source
