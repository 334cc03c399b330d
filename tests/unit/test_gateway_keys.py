"""Two bodies under one key: only the sender of the one that is decided on is told its decision."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.intake.acceptance import REMEMBERED, SentDigests, Submission, _judge, _to_fate
from models.envelope import Envelope
from models.errors import ContractError, TransientError
from models.events.requests import RequestDecided, RequestOpened
from tests.support.world import NOW, build_request


def submission(
    quantity: int = 1, *, event_id: str = "e-1", source: str = "hospital/x"
) -> Submission:
    request = build_request(request_id="r-1", quantity=quantity)
    return Submission(
        event=RequestOpened(request=request), event_id=event_id, source=source, time=NOW
    )


def decided(**body: object) -> Envelope:
    return Envelope(
        id="d-1",
        type=RequestDecided.TYPE,
        source="xuelian",
        subject="r-1",
        time=NOW,
        key="s",
        data=json.dumps({"decision": {"outcome": "reserved"}, **body}).encode(),
    )


def decision_on(sent: Submission, envelope: Envelope) -> object:
    fate = _judge(sent, _to_fate(sent, envelope))
    return fate and fate.decision


def test_f54_a_decision_on_another_body_is_told_to_nobody_else() -> None:
    mine, theirs = submission(1), submission(4)
    assert mine.digest != theirs.digest
    told = decided(asked_digest=mine.digest)
    assert decision_on(mine, told) == {"outcome": "reserved"}
    with pytest.raises(ContractError, match="idempotency_key_reused"):
        decision_on(theirs, told)
    # A worker of the version before does not say; PostgreSQL told those who looked there.
    assert decision_on(theirs, decided()) == {"outcome": "reserved"}


def test_f54_what_was_sent_is_remembered() -> None:
    remembered = SentDigests()
    for again in (submission(1), submission(1), replace(submission(1), time=NOW + timedelta(1))):
        with remembered.remember([again]):
            pass
    for _ in range(2):
        with pytest.raises(ContractError, match="reused"), remembered.remember([submission(4)]):
            pytest.fail("sent")
    with remembered.remember([submission(4, source="hospital/y")]):
        pass


def test_f54_what_may_not_have_been_sent_may_be_sent_otherwise() -> None:
    remembered = SentDigests()
    with pytest.raises(TransientError), remembered.remember([submission(1)]):
        raise TransientError("kafka_away")
    with remembered.remember([submission(4)]):
        pass
    # A batch of which one is refused is not sent, so the others were not either.
    batch = [submission(1, event_id="e-2"), submission(1)]
    with pytest.raises(ContractError), remembered.remember(batch):
        pytest.fail("sent")
    with remembered.remember([submission(2, event_id="e-2")]):
        pass


def test_f54_the_memory_is_bounded() -> None:
    remembered = SentDigests()
    one = submission(1)
    with remembered.remember([replace(one, event_id=f"e-{n}") for n in range(REMEMBERED + 5)]):
        pass
    assert len(remembered._digests) == REMEMBERED
