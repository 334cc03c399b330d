"""Adds the texts to codes, so that every reason of an answer is in both languages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.components import Component
from models.doses import WHOLE, OrderMeasure, find_ordering_unit
from models.texts import list_texts, render


def explain(code: str, params: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return a code with its parameters and texts."""
    given = dict(params or {})
    text = render(code, given)
    known = list_texts().get(code)
    if "units" in given and known is not None and "{units}" not in known.en:
        # A reason that was counted over several bags says how many they are.
        return {
            "code": code,
            "params": given,
            "zh": f"{text.zh}（{given['units']} 袋）",
            "en": f"{text.en} ({given['units']} bags)",
        }
    return {"code": code, "params": given, "zh": text.zh, "en": text.en}


def explain_waiting(waiting_for: str) -> dict[str, Any] | None:
    """Return what a request waits for, with its texts; None when it waits for nothing."""
    return explain(waiting_for) if waiting_for else None


def explain_reason(reason: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `Reason`, as JSON, with its texts."""
    return {**explain(reason["code"], reason.get("params")), "rule": reason.get("rule", "")}


def explain_decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `Decision`, as JSON, with every reason explained."""
    return {
        **decision,
        "reasons": [explain_reason(reason) for reason in decision.get("reasons", ())],
        "waiting_for": explain_waiting(decision.get("waiting_for", "")),
        "lines": [_explain_line(line) for line in decision.get("lines", ())],
    }


def name_counted(component: str, measure: str) -> str:
    """Return what a quantity counts: `U`, `dose`, `bag` or `ml`."""
    if measure != OrderMeasure.UNIT:
        return measure
    return find_ordering_unit(Component(component)).unit


def _explain_amounts(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked, covered and is missing; an older decision does not tell it."""
    covered = line.get("covered_hundredths")
    if covered is None:
        return {}
    params = {
        "asked": line["requested"],
        "covered": covered / WHOLE if covered % WHOLE else covered // WHOLE,
        "uncovered": line.get("uncovered", 0),
        "counted": name_counted(line["component"], line["measure"]),
    }
    return {"amounts": explain("line_amounts", params)}


def _explain_line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **line,
        **_explain_amounts(line),
        "reserved": [
            {**unit, "reason": explain_reason(unit["reason"])} for unit in line.get("reserved", ())
        ],
        "asked_back": [explain_reason(reason) for reason in line.get("asked_back", ())],
        "issue": [explain_reason(reason) for reason in line.get("issue", ())],
        "refusals": [explain_reason(reason) for reason in line.get("refusals", ())],
    }
