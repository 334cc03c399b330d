"""Donor rules: who may give blood, and how a wave of calls is sized, as cited data.

Pure. The rules stand in `rules/data/donors.toml`; this module gives them types.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Self

from pydantic import Field, model_validator

from models.base import Value
from models.components import Component
from models.donation_kinds import DonationKind
from models.patients import Sex
from models.rules.citations import CitedRule, RuleSet, read_rules


class CalendarRule(CitedRule):
    utc_offset_h: int = Field(ge=-12, le=14)


class MonthsRule(CitedRule):
    months: int = Field(ge=1)


class Interval(Value):
    """The time between two donations of whole blood, in months or in days as the law words it.

    Attributes:
        female_months: Of women, where the law gives them another one.
        female_days: The same in days.
    """

    months: int | None = Field(default=None, ge=2, le=24)
    days: int | None = Field(default=None, ge=56, le=730)
    female_months: int | None = Field(default=None, ge=2, le=24)
    female_days: int | None = Field(default=None, ge=56, le=730)

    @model_validator(mode="after")
    def _in_one_unit(self) -> Self:
        if (self.months is None) == (self.days is None):
            raise ValueError("months, days: one of them")
        if self.female_months is not None and self.female_days is not None:
            raise ValueError("female_months, female_days: one of them at most")
        return self

    def find_span(self, sex: Sex) -> tuple[str, int]:
        """Return the unit of the interval, `months` or `days`, and the number of them."""
        months, days = self.months, self.days
        if sex is Sex.FEMALE and (self.female_months or self.female_days):
            months, days = self.female_months, self.female_days
        return ("months", months) if months is not None else ("days", days or 0)

    def add_to(self, last: date, sex: Sex) -> date:
        """Return the first day on which the donor may give again."""
        unit, number = self.find_span(sex)
        return add_months(last, number) if unit == "months" else last + timedelta(days=number)


class IntervalRule(CitedRule, Interval):
    """The interval as a rule."""


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


class AgeSpan(Value):
    """Ages in completed years, both ends included."""

    from_years: int = Field(ge=16, le=30)
    to_years: int = Field(ge=30, le=75)
    repeat_to_years: int = Field(ge=30, le=75)


class AgeRule(CitedRule, AgeSpan):
    """The ages as a rule."""


class DonorLaw(Value):
    """What one law says of donors, from `since` until before `until`.

    Attributes:
        interval: None where it does not say.
        age: The same.
    """

    law: str
    since: date
    until: date | None = None
    interval: Interval | None = None
    age: AgeSpan | None = None

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


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


class ReadyRule(CitedRule):
    """`release_s`: seconds from a collection until its blood may be used."""

    release_s: int = Field(ge=60)


class ServesRule(CitedRule):
    components: tuple[Component, ...] = Field(min_length=1)


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class DonorRules(RuleSet):
    """All rules of `donors.toml`.

    Attributes:
        laws: The laws of the station's region, the strongest last; empty where the package's own
            values hold on every day. Interval and age are then those of the last day of all, with
            what the station tightened.
    """

    calendar: CalendarRule
    laws: tuple[DonorLaw, ...] = ()
    whole_blood_interval: IntervalRule
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
    ready: ReadyRule
    serves: ServesRule
    apheresis_serves: ServesRule

    def find_kind(self, component: Component) -> DonationKind | None:
        """Return what donors are called to give for a component; None if nobody is called."""
        if component in self.serves.components:
            return DonationKind.WHOLE_BLOOD
        if component in self.apheresis_serves.components:
            return DonationKind.APHERESIS_PLATELETS
        return None

    def find_interval(self, day: date) -> Interval:
        """Return the interval between donations that is law on a day."""
        told = (law.interval for law in reversed(self.laws) if law.holds_on(day))
        return next((interval for interval in told if interval), self.whole_blood_interval)

    def find_ages(self, day: date) -> AgeSpan:
        """Return the ages that hold on a day: those of the law, and stricter where a station is."""
        on_day, last = self._find_lawful_ages(day), self._find_lawful_ages(date.max)
        if on_day is None or last is None:
            return self.age
        own = self.age
        return AgeSpan(
            from_years=on_day.from_years
            if own.from_years == last.from_years
            else max(own.from_years, on_day.from_years),
            to_years=on_day.to_years
            if own.to_years == last.to_years
            else min(own.to_years, on_day.to_years),
            repeat_to_years=on_day.repeat_to_years
            if own.repeat_to_years == last.repeat_to_years
            else min(own.repeat_to_years, on_day.repeat_to_years),
        )

    def _find_lawful_ages(self, day: date) -> AgeSpan | None:
        told = (law.age for law in reversed(self.laws) if law.holds_on(day))
        return next((age for age in told if age), None)

    @property
    def ready_after_s(self) -> int:
        """Return the seconds from a call until the blood of whoever comes may be used."""
        return self.wave.answer_window_s + self.arrival.default_eta_s + self.ready.release_s


DONOR_RULES = DonorRules.model_validate(read_rules("donors"))
"""The rules as the law has them: the bounds of a record, whoever reads it."""
