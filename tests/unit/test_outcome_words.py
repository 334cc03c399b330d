"""Every outcome and status has words wherever people read it."""

from __future__ import annotations

import pytest

from cli.decisions import STATUS_WORDS
from cli.event_words import _OUTCOMES
from demo.live_view import OUTCOMES
from models.decisions import Outcome
from models.requests import RequestStatus


@pytest.mark.parametrize("outcome", Outcome)
def test_f10_every_outcome_is_told_in_words(outcome: Outcome) -> None:
    assert outcome in STATUS_WORDS
    assert outcome in _OUTCOMES
    assert outcome in OUTCOMES


@pytest.mark.parametrize("status", RequestStatus)
def test_f10_every_status_is_told_in_words(status: RequestStatus) -> None:
    assert status in STATUS_WORDS


def test_f10_what_is_refused_in_part_is_not_told_as_reserved() -> None:
    for words in (STATUS_WORDS, OUTCOMES):
        assert words["partly_refused"] != words["reserved"]
        assert words["partly_fulfilled"] != words["fulfilled"]
