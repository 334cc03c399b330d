"""List every reason why a donor may not be called to give whole blood, or platelets.

Pure and deterministic: no IO, no clock. The rules and their citations are data
(`models/rules/data/donors.toml`); no disaster loosens any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from models.decisions import Reason
from models.donation_kinds import DonationKind
from models.donors import Donor
from models.rules.types.donors import DonorRules, add_months


@dataclass(frozen=True, slots=True, kw_only=True)
class DonorRecord:
    """A donor as the reserve knows them.

    Attributes:
        last_whole_blood_on: Day of the last whole-blood donation here, under any number of the
            same person; the donor's own record may show a later day.
        called: Calls made so far.
        accepted: How many of them were accepted.
        on_live_call: Called, on the way or arrived, for any cause, under any number.
        contact_key: Equal for equal contacts; empty if the contact is not known.
        person_key: Equal for equal names and birth dates; empty if it was not read.
        deferred_as_other_until: A deferral of the same person under another number.
        group_disputed: A unit of this donor that waits for release is labelled with another group.
    """

    donor: Donor
    last_whole_blood_on: date | None = None
    called: int = 0
    accepted: int = 0
    on_live_call: bool = False
    contact_key: str = ""
    person_key: str = ""
    deferred_as_other_until: datetime | None = None
    group_disputed: bool = False


def list_obstacles(record: DonorRecord, *, now: datetime, rules: DonorRules) -> tuple[Reason, ...]:
    """List every reason why the donor may not be called; empty if they may.

    Args:
        record: The donor, with what has been learnt.
        now: Aware UTC instant of the call.
        rules: The rules to apply; each reason cites its rule.

    Source: 献血法 art. 9; GB 18467-2011; PIPL art. 28; rule set 2026-3.
    """
    zone = timezone(timedelta(hours=rules.calendar.utc_offset_h))
    today = now.astimezone(zone).date()
    return (
        *_list_consent_obstacles(record.donor, now, rules),
        *_list_body_obstacles(record.donor, today, rules),
        *_list_interval_obstacles(record, today, rules),
        *_list_time_obstacles(record, now, rules),
    )


def count_years(born: date, today: date) -> int:
    """Return the completed years of age."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _list_consent_obstacles(donor: Donor, now: datetime, rules: DonorRules) -> Iterator[Reason]:
    if donor.consented_at is None or donor.consented_at > now:
        yield Reason(code="no_consent", rule=rules.cite(rules.consent))


def _list_body_obstacles(donor: Donor, today: date, rules: DonorRules) -> Iterator[Reason]:
    age, cited = rules.find_ages(today), rules.cite(rules.age)
    years = count_years(donor.born_on, today)
    to_years = age.repeat_to_years if donor.repeat_without_reaction else age.to_years
    if years < age.from_years:
        yield Reason(code="donor_too_young", params={"from_years": age.from_years}, rule=cited)
    if years > to_years:
        yield Reason(code="donor_too_old", params={"to_years": to_years}, rule=cited)
    least_kg = rules.weight.least_kg(donor.sex)
    if donor.weight_kg < least_kg:
        yield Reason(
            code="weight_too_low", params={"least_kg": least_kg}, rule=rules.cite(rules.weight)
        )


def _list_interval_obstacles(
    record: DonorRecord, today: date, rules: DonorRules
) -> Iterator[Reason]:
    donor = record.donor
    if donor.gives is DonationKind.APHERESIS_PLATELETS:
        yield from _list_apheresis_obstacles(record, today, rules)
        return
    given_on = [day for day in (donor.last_whole_blood_on, record.last_whole_blood_on) if day]
    interval, cited = rules.find_interval(today), rules.cite(rules.whole_blood_interval)
    if given_on and today < interval.add_to(max(given_on), donor.sex):
        unit, number = interval.find_span(donor.sex)
        if unit == "months":
            yield Reason(code="whole_blood_too_recent", params={"months": number}, rule=cited)
        else:
            yield Reason(code="whole_blood_too_recent_d", params={"days": number}, rule=cited)
    after = rules.after_platelets_interval
    platelets_on = donor.last_platelets_on
    if platelets_on is not None and today < platelets_on + timedelta(weeks=after.weeks):
        yield Reason(
            code="platelets_too_recent", params={"weeks": after.weeks}, rule=rules.cite(after)
        )


def _list_apheresis_obstacles(
    record: DonorRecord, today: date, rules: DonorRules
) -> Iterator[Reason]:
    """List the intervals before a donation of platelets; the station counts those of a year."""
    donor = record.donor
    whole_blood_on = [day for day in (donor.last_whole_blood_on, record.last_whole_blood_on) if day]
    after = rules.platelets_after_whole_blood_interval
    if whole_blood_on and today < add_months(max(whole_blood_on), after.months):
        yield Reason(
            code="whole_blood_too_recent",
            params={"months": after.months},
            rule=rules.cite(after),
        )
    interval = rules.platelets_interval
    platelets_on = donor.last_platelets_on
    if platelets_on is not None and today < platelets_on + timedelta(weeks=interval.weeks):
        yield Reason(
            code="platelets_too_recent",
            params={"weeks": interval.weeks},
            rule=rules.cite(interval),
        )


def _list_time_obstacles(record: DonorRecord, now: datetime, rules: DonorRules) -> Iterator[Reason]:
    donor = record.donor
    if donor.deferred_until is not None and donor.deferred_until > now:
        yield Reason(code="deferred", rule=rules.cite(rules.deferral))
    elsewhere = record.deferred_as_other_until
    if elsewhere is not None and elsewhere > now:
        yield Reason(code="deferred_as_other", rule=rules.cite(rules.same_person))
    if record.group_disputed:
        yield Reason(code="group_disputed", rule=rules.cite(rules.group_agrees))
    if donor.unavailable_until is not None and donor.unavailable_until > now:
        yield Reason(code="unavailable", rule=rules.cite(rules.availability))
    if record.on_live_call:
        yield Reason(code="on_live_call", rule=rules.cite(rules.one_call))
