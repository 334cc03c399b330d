"""Who may give blood, and how a wave of calls is sized, as cited data.

Pure. The rules stand in `rules/data/donors.toml`; this module gives them types.
"""

from __future__ import annotations

from pydantic import Field

from models.components import Component
from models.patients import Sex
from models.rules.citations import CitedRule, RuleSet, read_rules


class CalendarRule(CitedRule):
    utc_offset_h: int = Field(ge=-12, le=14)


class MonthsRule(CitedRule):
    months: int = Field(ge=1)


class WeeksRule(CitedRule):
    weeks: int = Field(ge=1)


class VolumeRule(CitedRule):
    usual_ml: int = Field(gt=0)
    most_ml: int = Field(gt=0)


class PlateletsRule(CitedRule):
    """`special_match_weeks` holds with a doctor's approval, for a patient who needs this donor."""

    weeks: int = Field(ge=1)
    special_match_weeks: int = Field(ge=1)
    most_per_year: int = Field(ge=1)


class HaemoglobinRule(CitedRule):
    male_g_per_l: int = Field(gt=0)
    female_g_per_l: int = Field(gt=0)


class TemporaryCollectionRule(CitedRule):
    report_within_d: int = Field(ge=1)


class AgeRule(CitedRule):
    """Ages in completed years, both ends included."""

    from_years: int = Field(ge=0)
    to_years: int = Field(ge=0)
    repeat_to_years: int = Field(ge=0)


class WeightRule(CitedRule):
    male_kg: float = Field(gt=0)
    female_kg: float = Field(gt=0)

    def least_kg(self, sex: Sex) -> float:
        return self.male_kg if sex is Sex.MALE else self.female_kg


class AcceptanceRule(CitedRule):
    """`prior_calls`: how many of a donor's own calls weigh as much as the station's rate."""

    prior_calls: float = Field(gt=0)


class ShowUpRule(CitedRule):
    """The share of the near rate that is lost per kilometre, and what is left at least."""

    loss_per_km: float = Field(ge=0, lt=1)
    least_share: float = Field(gt=0, le=1)


class WaveRule(CitedRule):
    answer_window_s: int = Field(ge=60)


class ArrivalRule(CitedRule):
    default_eta_s: int = Field(ge=60)


class ServesRule(CitedRule):
    components: tuple[Component, ...] = Field(min_length=1)


class DonorRules(RuleSet):
    """All rules of `donors.toml`."""

    calendar: CalendarRule
    whole_blood_interval: MonthsRule
    volume: VolumeRule
    tested: CitedRule
    after_platelets_interval: WeeksRule
    platelets_interval: PlateletsRule
    platelets_after_whole_blood_interval: MonthsRule
    age: AgeRule
    weight: WeightRule
    haemoglobin: HaemoglobinRule
    consent: CitedRule
    temporary: TemporaryCollectionRule
    roster: CitedRule
    deferral: CitedRule
    availability: CitedRule
    one_call: CitedRule
    once_per_cause: CitedRule
    one_contact: CitedRule
    same_person: CitedRule
    rhd_negative: CitedRule
    group_agrees: CitedRule
    acceptance: AcceptanceRule
    show_up: ShowUpRule
    wave: WaveRule
    arrival: ArrivalRule
    serves: ServesRule


DONOR_RULES = DonorRules.model_validate(read_rules("donors"))
"""The rules as the law has them: the bounds of a record, whoever reads it."""
