"""The alert rules ask for figures that exist, with labels and values that they have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from gateway.metrics import GatewayMetrics
from models.requests import Priority
from streams.agents import metrics
from streams.store.read_models.vitals import MARKS

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yml"
CONTENT: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
ALL = [rule for group in CONTENT["groups"] for rule in group["rules"]]
_SELECTOR = re.compile(r"(xuelian_[a-z_]+)(?:\{([^}]*)\})?")
_VALUES: dict[str, set[str]] = {"priority": {*Priority}, "mark": {*MARKS}}


def list_metrics() -> dict[str, set[str]]:
    """Every sample name that the code can expose, with its labels."""
    found: dict[str, set[str]] = {metrics.RETRIES._name: set()}
    for registry in (REGISTRY, GatewayMetrics().registry):
        for collector in registry._collector_to_names:
            labels = set(getattr(collector, "_labelnames", ()))
            for name in registry._collector_to_names[collector]:
                found[name] = labels
    return found


KNOWN = list_metrics()


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule["alert"])
def test_f90_a_rule_asks_for_what_is_measured(rule: dict[str, Any]) -> None:
    selectors = _SELECTOR.findall(rule["expr"])
    assert selectors
    for name, matchers in selectors:
        assert name in KNOWN
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in KNOWN[name]
            assert label not in _VALUES or value in _VALUES[label]
    for grouped in re.findall(r"by \(([^)]*)\)", rule["expr"]):
        assert set(re.findall(r"\w+", grouped)) <= KNOWN[selectors[0][0]]
    brackets = re.sub(r"[^()\[\]{}]", "", re.sub(r'"[^"]*"', "", rule["expr"]))
    while "()" in brackets or "[]" in brackets or "{}" in brackets:
        brackets = brackets.replace("()", "").replace("[]", "").replace("{}", "")
    assert brackets == ""


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule["alert"])
def test_f90_a_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert re.search(r"[\u4e00-\u9fff]", rule["annotations"]["summary"])
    assert rule["annotations"]["action"]
    if "for" in rule:
        assert re.fullmatch(r"\d+[smh]", rule["for"])
    labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert labels <= set(re.findall(r"\w+", rule["expr"]))


def test_f90_what_matters_has_a_rule() -> None:
    asked = {name for rule in ALL for name, _ in _SELECTOR.findall(rule["expr"])}
    assert asked >= {
        "xuelian_requests_oldest_seconds",
        "xuelian_dead_letters_life_threatening",
        "xuelian_outbox_oldest_seconds",
        "xuelian_unread_oldest_seconds",
        "xuelian_timers_late_seconds",
        "xuelian_overdue",
        "xuelian_stock_days",
    }
    assert len({rule["alert"] for rule in ALL}) == len(ALL)
