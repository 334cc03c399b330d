"""From one alert to the blood that its disaster is expected to need.

Pure and deterministic: no IO, no clock. Reported casualties come before a model, a model before a
magnitude; each estimate names its basis and the rules it followed. An exercise is computed like the
real thing and marked; nobody may act on a marked estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, erf, log, sqrt

from models.alerts import Alert, AlertKind, AlertStatus, Casualties, Exposure, Need
from models.decisions import Reason
from models.disaster_rules import DisasterRules, FatalityModel, disaster_rules

# A sum of floats may stand a hair above the whole number it means.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedEstimate:
    """What a disaster is expected to need.

    Attributes:
        needs: Units per component; empty if the alert was cancelled or tells nothing to go by.
        admissions: Patients expected to be admitted.
        basis: `reported`, `estimated` or `magnitude`; `none` with empty needs.
        exercise: The alert is an exercise or a test.
        reasons: The steps that led here, with the rule of each.
    """

    needs: tuple[Need, ...]
    admissions: int
    basis: str
    exercise: bool
    reasons: tuple[Reason, ...]

    @property
    def is_nothing(self) -> bool:
        return not any(need.units for need in self.needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admissions:
    expected: float
    basis: str
    reasons: tuple[Reason, ...]


def estimate_need(alert: Alert, *, rules: DisasterRules | None = None) -> NeedEstimate:
    """Estimate the whole need of a disaster from its newest alert.

    Args:
        alert: The newest revision; earlier ones play no part.
        rules: The ratios and models to follow.

    Returns:
        Whole units per component, rounded up, in the order of the rules' ratio.

    Source: models/rules/disasters.toml.
    """
    rules = rules or disaster_rules()
    exercise = alert.status is not AlertStatus.ACTUAL
    found = _find_admissions(alert, rules)
    if found is None:
        code = "alert_cancelled" if alert.kind is AlertKind.CANCEL else "no_basis_for_need"
        return NeedEstimate(
            needs=(), admissions=0, basis="none", exercise=exercise, reasons=(Reason(code=code),)
        )
    admissions = _round_up(found.expected)
    needs = tuple(
        Need(
            component=component,
            units=_round_up(admissions * rules.components.units_per(component)),
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
        needs=needs,
        admissions=admissions,
        basis=found.basis,
        exercise=exercise,
        reasons=(*found.reasons, per_admission),
    )


def estimate_fatality_rate(mmi: float, model: FatalityModel) -> float:
    """Return the share of people exposed to an intensity who are expected to die.

    Source: USGS PAGER empirical model, Φ(ln(MMI/θ)/β).
    """
    return 0.5 * (1.0 + erf(log(mmi / model.theta) / model.beta / sqrt(2.0)))


def _find_admissions(alert: Alert, rules: DisasterRules) -> _Admissions | None:
    if alert.kind is AlertKind.CANCEL:
        return None
    if alert.casualties is not None:
        return _from_reports(alert.casualties, rules)
    if alert.exposures:
        return _from_exposures(alert.exposures, alert.country, rules)
    if alert.hazard == "earthquake" and alert.magnitude is not None:
        return _from_magnitude(alert.magnitude, alert.depth_km, rules)
    return None


def _from_reports(casualties: Casualties, rules: DisasterRules) -> _Admissions:
    reason = Reason(
        code="casualties_reported",
        params={"dead": casualties.dead, "injured": casualties.injured},
        rule=rules.cite(rules.reported),
    )
    expected = casualties.injured * rules.reported.admissions_per_injured
    return _Admissions(expected=expected, basis="reported", reasons=(reason,))


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
        Reason(
            code="injured_estimated",
            params={"injured": round(injured, 1)},
            rule=rules.cite(rules.injured),
        ),
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


def _round_up(expected: float) -> int:
    """Round up; a fraction of a patient or of a unit needs a whole one."""
    return ceil(expected - _HAIR)
