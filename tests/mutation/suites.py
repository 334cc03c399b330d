"""The files that are mutated and the fast tests that must notice, by group, in running order.

`behaviour` are tests of decisions. `tables` compare the rule data with the tables written from the
sources; they run last, for values that no decision shows. The tests of the page that is generated
from the rule data are left out: they would notice every change and prove nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

Command = tuple[str, ...]
"""Arguments of pytest; `{rule}` stands for the rule that a mutant is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The tests for one file.

    Attributes:
        behaviour: Run first; for a rule file, on mutants of its values.
        terms: For a rule file, on mutants of a rule's properties and of what a station may set.
        tables: Run on mutants that are still alive.
    """

    behaviour: Sequence[Command]
    terms: Sequence[Command] = ()
    tables: Sequence[Command] = ()

    @property
    def commands(self) -> tuple[Command, ...]:
        return (*self.behaviour, *self.terms, *self.tables)


_KERNEL = "tests/unit/test_safety_kernel.py"
_CASES = ("tests/unit/test_groups_of_patients.py", "tests/unit/test_recipients.py")
_MAY_SET = "tests/unit/test_rules_bind_stations.py"
_TABLES = "tests/unit/test_rules_as_sources_say.py"
_SEAL = ("tests/unit/test_safety_seal.py", "-k", "not sees and not only_the_kernel")
_RULEBOOK = ("tests/unit/test_rulebook.py",)
_FORMS = ("tests/unit/test_rule_forms.py",)
_OVERRIDDEN = ("tests/unit/test_overrides_effect.py",)
_VALUES = ("tests/unit/test_override_values.py",)
_MADE = ("tests/unit/test_units_made.py",)
_RETURNS = ("tests/unit/test_returns.py",)
_FACILITIES = ("tests/unit/test_facilities.py",)
_NEEDS = ("tests/unit/test_needs_demanded.py", "tests/unit/test_needs.py")
_HLA = ("tests/unit/test_hla.py",)
_LEARNING = ("tests/unit/test_patient_learning.py",)
_ANTIGENS = ("tests/unit/test_antigens.py",)


def _told(file: str) -> Command:
    """Stories are told to the engine, which is asynchronous."""
    options = ("asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function")
    given = [word for option in options for word in ("-o", option)]
    return ("-p", "pytest_asyncio.plugin", *given, file)


_RELEASE = _told("tests/unit/test_emergency_release.py")
_MEMORY = _told("tests/unit/test_patient_memory.py")
_MOTHERS: Sequence[Command] = (
    ("tests/unit/test_checker_patient_memory.py",),
    _told("tests/unit/test_mothers_and_withdrawn_facts.py"),
)
_DOSES = (("tests/unit/test_doses.py",), _told("tests/unit/test_dose_cases.py"))
# Quick tests come first: most mutants die there.
_DECIDES: Sequence[Command] = ((_KERNEL, "-k", "not agree"), (_KERNEL, "-k", "agree"))
_OF_NEEDS = (_KERNEL, "-k", "of_a_patient or in_days or hla or antigens or washed or mixtures")
_STATIONS: Sequence[Command] = (
    (_MAY_SET,),
    ("tests/unit/test_overrides_effect.py", "tests/unit/test_overrides_elsewhere.py"),
    ("tests/unit/test_overrides.py",),
)


def _source(*first: Command, tests: Sequence[Command] = _DECIDES) -> Suite:
    return Suite(behaviour=(*first, *tests))


KERNEL: Mapping[str, Suite] = {
    "models/safety.py": _source(),
    "models/clearance.py": _source(_SEAL),
    "models/compatibility.py": _source(_CASES, *_DECIDES, tests=(_FORMS, _OVERRIDDEN)),
    "models/recipients.py": _source(_CASES),
    "models/use_times.py": _source(_NEEDS),
    "models/rules/types/compatibility.py": _source(_FORMS),
    "models/components.py": _source(_FORMS),
    "models/shelf_lives.py": _source(_MADE),
    "models/needs.py": _source(_NEEDS, _OF_NEEDS),
    "models/platelet_matching.py": _source(_NEEDS, _HLA, _OF_NEEDS),
    "models/emergency_release.py": _source(_RELEASE, _OF_NEEDS),
    "models/doses.py": Suite(behaviour=_DOSES),
    "models/patient_memory.py": Suite(behaviour=(_LEARNING, *_MOTHERS, _MEMORY)),
    "models/rules/types/shelf_life.py": _source(_FORMS, _RULEBOOK),
    "models/rules/types/safety.py": _source(_FORMS),
    "models/groups.py": _source(),
    "models/patients.py": _source(_FORMS, _LEARNING, *_MOTHERS, _NEEDS, _MEMORY),
    "models/rules/rulebook.py": _source(_RULEBOOK, tests=(*_STATIONS, *_DECIDES)),
    "models/rules/citations.py": _source(_FORMS, _RULEBOOK),
    "streams/ports/clearances.py": _source(_SEAL),
}
"""The code of the safety kernel, and the code that checks every promise against its answer."""

STATIONS: Mapping[str, Suite] = {
    "models/rules/override_values.py": Suite(behaviour=(_VALUES, *_STATIONS)),
}
"""The code that refuses a station's own value."""


_OF_VALUES: Mapping[str, Sequence[Command]] = {
    "compatibility": _DECIDES,
    "safety": (*_DECIDES, _RETURNS),
    "components": (_RULEBOOK, _MADE, *_DECIDES),
    "needs": (_NEEDS, _OF_NEEDS),
    "antigens": (_ANTIGENS,),
    "testing": (("tests/unit/test_matching_quarantine_release.py",),),
    "donors": (
        ("tests/unit/test_matching_eligibility.py",),
        ("tests/unit/test_matching_donor_waves.py",),
    ),
    "disasters": (
        ("tests/unit/test_matching_disaster_need.py",),
        ("tests/unit/test_matching_activation.py",),
    ),
    "shortages": (
        ("tests/unit/test_matching_shortage.py",),
        ("tests/unit/test_matching_offers.py",),
    ),
    "figures": (("tests/unit/test_figures.py",),),
    "policies": (_FACILITIES,),
    "packs": (_FACILITIES,),
    "doses": _DOSES,
}
"""Rule file to the tests of decisions by its values; the values of other files decide nothing."""


def _rules(file: str) -> Suite:
    return Suite(
        behaviour=_OF_VALUES.get(file, ()),
        # This file has no values, so a station can set none.
        terms=() if file == "returns" else ((_MAY_SET, "-k", f"{file}: and {{rule}}."),),
        tables=((_TABLES, "-k", f"{file}:{{rule}}"),),
    )


RULES: Mapping[str, Suite] = {
    f"models/rules/data/{path.name}": _rules(path.stem)
    for path in sorted((ROOT / "models" / "rules" / "data").glob("*.toml"))
}

GROUPS: Mapping[str, Mapping[str, Suite]] = {
    "kernel": KERNEL,
    "stations": STATIONS,
    "rules": RULES,
}
