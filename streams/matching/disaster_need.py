"""Estimate from its alerts the blood that a disaster is expected to need.

Pure and deterministic: no IO, no clock. A count that nobody reported is unknown, not zero. While
reports are early, the greatest of the reports and the model holds; later the newest report stands
alone. Each estimate names its basis and the rules it followed. An exercise is computed like a real
disaster and marked; nobody may act on a marked estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import erf, log, sqrt

from models.alerts import Alert, AlertKind, AlertStatus, Exposure, Need
from models.components import Component
from models.decisions import Reason
from models.rules.types.disasters import DisasterRules, FatalityModel
from streams.matching.float_sums import round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedEstimate:
    """What a disaster is expected to need.

    Attributes:
        alert: The newest revision, from which it is made.
        needs: Units per component; empty if the alert was cancelled or gives no basis.
        admissions: Patients expected to be admitted.
        basis: `reported`, `estimated` or `magnitude`; `none` with empty needs.
        reasons: The steps that led here, with the rule of each.
    """

    alert: Alert
    needs: tuple[Need, ...]
    admissions: int
    basis: str
    reasons: tuple[Reason, ...]

    @property
    def exercise(self) -> bool:
        """Return whether the alert is an exercise or a test."""
        return self.alert.status is not AlertStatus.ACTUAL

    @property
    def is_nothing(self) -> bool:
        return not any(need.units for need in self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admissions:
    expected: float
    basis: str
    reasons: tuple[Reason, ...]


def estimate_need(
    alert: Alert, *, earlier: Sequence[Alert] = (), rules: DisasterRules
) -> NeedEstimate:
    """Estimate the whole need of a disaster from its alerts.

    Args:
        alert: The newest revision.
        earlier: The revisions before it, in order. Revisions before a cancellation, and exercises
            before an actual alert, are ignored.
        rules: The ratios and models to follow.

    Returns:
        Whole units per component, rounded up, in the order of the rules' ratio; platelets as doses.

    Invariants: what a revision leaves out stays as it was known; an early report never makes the
        need smaller; a cancellation needs nothing.
    Source: models/rules/data/disasters.toml.
    """
    found = _find_admissions(alert, earlier, rules)
    if found is None:
        code = "alert_cancelled" if alert.kind is AlertKind.CANCEL else "no_basis_for_need"
        return NeedEstimate(
            alert=alert, needs=(), admissions=0, basis="none", reasons=(Reason(code=code),)
        )
    admissions = round_up(found.expected)
    needs = tuple(
        Need(
            component=component,
            units=round_up(admissions * rules.bags_per_admission(component)),
            basis=found.basis,
        )
        for component in rules.components.ratio
    )
    per_admission = Reason(
        code="components_per_admission",
        params={
            "admissions": admissions,
            "units_per_admission": rules.components.units_per_admission,
        },
        rule=rules.cite(rules.components),
    )
    return NeedEstimate(
        alert=alert,
        needs=needs,
        admissions=admissions,
        basis=found.basis,
        reasons=(*found.reasons, per_admission, *_explain_doses(rules)),
    )


def _explain_doses(rules: DisasterRules) -> tuple[Reason, ...]:
    """Say in which product the platelets are counted."""
    if Component.PLATELETS not in rules.components.ratio:
        return ()
    per_dose = rules.platelet_doses.components_per_dose
    return (
        Reason(
            code="platelets_in_doses",
            params={"components_per_dose": per_dose},
            rule=rules.cite(rules.platelet_doses),
        ),
    )


def estimate_fatality_rate(mmi: float, model: FatalityModel) -> float:
    """Return the share of people exposed to an intensity who are expected to die.

    Source: USGS PAGER empirical model, Φ(ln(MMI/θ)/β).
    """
    return 0.5 * (1.0 + erf(log(mmi / model.theta) / model.beta / sqrt(2.0)))


def _find_admissions(
    alert: Alert, earlier: Sequence[Alert], rules: DisasterRules
) -> _Admissions | None:
    if alert.kind is AlertKind.CANCEL:
        return None
    revisions = [*_list_standing(alert, earlier), alert]
    reports = [
        report for revision in revisions if (report := _from_report(revision, rules)) is not None
    ]
    model = _from_models(revisions, rules)
    if not _is_early(alert, rules):
        return _find_late(alert, reports, rules) or model
    # The newest of equal reports comes first: people will look for that one.
    greatest = max([*reversed(reports), *([model] if model else [])], key=_expected, default=None)
    if greatest is None or not reports or greatest is reports[-1]:
        return greatest
    early = Reason(code="report_too_early_to_lower", rule=rules.cite(rules.first_reports))
    return _Admissions(
        expected=greatest.expected, basis=greatest.basis, reasons=(*greatest.reasons, early)
    )


def _list_standing(alert: Alert, earlier: Sequence[Alert]) -> list[Alert]:
    """List the earlier revisions that still count, in order."""
    standing: list[Alert] = []
    is_actual = alert.status is AlertStatus.ACTUAL
    for revision in earlier:
        if revision.kind is AlertKind.CANCEL:
            standing.clear()
        elif (revision.status is AlertStatus.ACTUAL) is is_actual:
            standing.append(revision)
    return standing


def _is_early(alert: Alert, rules: DisasterRules) -> bool:
    early = timedelta(hours=rules.first_reports.early_h)
    return alert.sent_at - alert.occurred_at <= early


def _expected(found: _Admissions) -> float:
    return found.expected


def _find_late(
    alert: Alert, reports: Sequence[_Admissions], rules: DisasterRules
) -> _Admissions | None:
    """Return a late report alone if it counts the injured, else the greatest report so far."""
    if alert.casualties is not None and alert.casualties.known_injured is not None:
        return _from_report(alert, rules)
    return max(reversed(reports), key=_expected, default=None)


def _from_report(alert: Alert, rules: DisasterRules) -> _Admissions | None:
    """Read the counts of one revision; None where it reports nothing of the injured or the dead."""
    counts = alert.casualties
    if counts is None:
        return None
    injured, share = counts.known_injured, rules.reported.admissions_per_injured
    if injured is not None:
        reason = Reason(
            code="casualties_reported",
            params={"dead": "–" if counts.dead is None else counts.dead, "injured": injured},
            rule=rules.cite(rules.reported),
        )
        return _Admissions(expected=injured * share, basis="reported", reasons=(reason,))
    if not counts.dead:
        return None
    likely = counts.dead * rules.injured.injured_per_dead
    reasons = (
        Reason(code="dead_reported", params={"dead": counts.dead}, rule=rules.cite(rules.reported)),
        _explain_injured(likely, rules),
    )
    return _Admissions(expected=likely * share, basis="reported", reasons=reasons)


def _from_models(told: Sequence[Alert], rules: DisasterRules) -> _Admissions | None:
    """Estimate from the newest revision with exposures, else from the newest with a magnitude."""
    for alert in reversed(told):
        if alert.exposures:
            return _from_exposures(alert.exposures, alert.country, rules)
    for alert in reversed(told):
        if alert.hazard == "earthquake" and alert.magnitude is not None:
            return _from_magnitude(alert.magnitude, alert.depth_km, rules)
    return None


def _explain_injured(injured: float, rules: DisasterRules) -> Reason:
    return Reason(
        code="injured_estimated",
        params={"injured": round(injured, 1)},
        rule=rules.cite(rules.injured),
    )


def _from_exposures(
    exposures: tuple[Exposure, ...], country: str, rules: DisasterRules
) -> _Admissions:
    known = rules.estimated.countries.get(country)
    model = known or rules.estimated.countries[rules.estimated.fallback_country]
    dead = sum(
        exposure.population * estimate_fatality_rate(exposure.mmi, model) for exposure in exposures
    )
    injured = dead * rules.injured.injured_per_dead
    reasons = [
        Reason(
            code="fatalities_estimated",
            params={"dead": round(dead, 1), "country": country},
            rule=rules.cite(rules.estimated),
        ),
        _explain_injured(injured, rules),
    ]
    if known is None:
        fallback = rules.estimated.fallback_country
        params: dict[str, str | int | float] = {"country": country, "used": fallback}
        reasons.append(Reason(code="country_model_missing", params=params))
    expected = injured * rules.reported.admissions_per_injured
    return _Admissions(expected=expected, basis="estimated", reasons=tuple(reasons))


def _from_magnitude(magnitude: float, depth_km: float | None, rules: DisasterRules) -> _Admissions:
    rule = rules.magnitude
    rows = [row for row in rule.rows if row.from_magnitude <= magnitude]
    shallow = max(rows, key=lambda row: row.from_magnitude).admissions if rows else 0
    share = 1.0
    if depth_km is not None and depth_km > rule.very_deep_below_km:
        share = 0.0
    elif depth_km is not None and depth_km > rule.deep_below_km:
        share = rule.deep_share
    params: dict[str, str | int | float] = {"magnitude": magnitude}
    if depth_km is not None:
        params["depth_km"] = depth_km
    reason = Reason(code="magnitude_only", params=params, rule=rules.cite(rule))
    return _Admissions(expected=shallow * share, basis="magnitude", reasons=(reason,))
