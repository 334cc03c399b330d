"""Judges whether a donor may be called to give whole blood or platelets, by the checker's own rule.

Pure. The calendar day of a call depends on the time zone (UTC or China's). A rule counts as broken
only if it is broken on both days, so that a call near midnight is not judged a fault.

Source: the law of the region (`checker.donor_laws`) for the interval between donations of whole
blood and for the ages; GB 18467-2011 (50 kg for men, 45 kg for women; four weeks after platelets;
who gives platelets by apheresis: two weeks after platelets, three months after whole blood).
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from checker.donor_laws import NATIONAL, Law, find_ages, find_interval
from checker.evidence import parse_instant

AFTER_PLATELETS = timedelta(weeks=4)
PLATELETS_APART = timedelta(weeks=2)
PLATELETS_AFTER_MONTHS = 3
MINIMUM_KG = {"male": 50.0, "female": 45.0}
_CHINA = timezone(timedelta(hours=8))


def list_reasons(
    *,
    donor: Mapping[str, Any],
    whole_blood_on: Iterable[date],
    called_at: datetime,
    laws: tuple[Law, ...] = NATIONAL,
) -> list[str]:
    """List why the donor must not have been called; empty if the call was right.

    Args:
        donor: The donor's record.
        whole_blood_on: Days of whole-blood donations that lay before the call.
        called_at: Aware instant of the call.
        laws: Of the station's region.
    """
    reasons = _standing_reasons(donor, called_at)
    days = {called_at.astimezone(zone).date() for zone in (UTC, _CHINA)}
    last = max(whole_blood_on, default=None)
    platelets = donor.get("last_platelets_on")

    def always(is_broken: Callable[[date], bool]) -> bool:
        return all(is_broken(day) for day in days)

    if donor.get("gives") == "apheresis_platelets":
        apart = PLATELETS_APART
        if last is not None and always(lambda day: day < add_months(last, PLATELETS_AFTER_MONTHS)):
            told = f"{PLATELETS_AFTER_MONTHS} 个月 · under {PLATELETS_AFTER_MONTHS} months since"
            reasons.append(f"献全血后不足 {told} {last}")
    else:
        apart = AFTER_PLATELETS
        if last is not None and always(lambda day: day < _give_again(last, day, donor, laws)):
            number, unit = find_interval(laws, max(days), sex=donor["sex"])
            reasons.append(f"全血间隔不足 {number} {unit} · under {number} {unit} since {last}")
    if platelets and always(lambda day: day < date.fromisoformat(platelets) + apart):
        told = f"{apart.days // 7} 周 · under {apart.days // 7} weeks since platelets on"
        reasons.append(f"献血小板后不足 {told} {platelets}")
    born = date.fromisoformat(donor["born_on"])
    if always(lambda day: not _is_of_age(born, day, donor, laws)):
        reasons.append(f"年龄不符 · age outside {find_ages(laws, max(days))}, born {born}")
    return reasons


def _give_again(last: date, day: date, donor: Mapping[str, Any], laws: tuple[Law, ...]) -> date:
    """Return from when on the donor may give again, by the law of the day of the call."""
    number, unit = find_interval(laws, day, sex=donor["sex"])
    return add_months(last, number) if unit == "months" else last + timedelta(days=number)


def _is_of_age(born: date, day: date, donor: Mapping[str, Any], laws: tuple[Law, ...]) -> bool:
    youngest, oldest, oldest_repeat = find_ages(laws, day)
    if donor.get("repeat_without_reaction"):
        oldest = oldest_repeat
    return youngest <= age_on(born, day) <= oldest


def _standing_reasons(donor: Mapping[str, Any], called_at: datetime) -> list[str]:
    reasons = []
    consented_at = donor.get("consented_at")
    if not consented_at or parse_instant(consented_at) > called_at:
        reasons.append("没有知情同意 · no consent")
    for name, words in (
        ("deferred_until", "暂缓献血 · deferred"),
        ("unavailable_until", "不便 · away"),
    ):
        until = donor.get(name)
        if until and parse_instant(until) > called_at:
            reasons.append(f"{words} until {until}")
    if donor["weight_kg"] < MINIMUM_KG[donor["sex"]]:
        reasons.append(f"体重不足 · weight {donor['weight_kg']} kg")
    return reasons


def add_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of a shorter month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def age_on(born: date, day: date) -> int:
    """Return the completed years of age."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
