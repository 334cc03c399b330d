"""The body of `xuelian request amend`: what was written, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from cli.request_amendment import Amended
from cli.request_opening import Asked
from streams.settings import Settings

NOW = datetime(2025, 1, 7, 4, tzinfo=UTC)
RELEASE: dict[str, Any] = {
    "clinician": "Dr Tashi",
    "release_reason": "exsanguinating",
    "passes": ("antibodies",),
}


def body_of(**options: Any) -> dict[str, Any]:  # noqa: ANN401 - any option
    return Amended(**options).to_body(Settings(), now=NOW)


def test_what_is_not_written_is_not_sent() -> None:
    assert body_of() == {}
    assert body_of(note="") == {"note": ""}, "an empty note takes the note away"


def test_typing_a_patient() -> None:
    assert body_of(group="A型RhD阳性", basis="two_samples", sex="female", age=31) == {
        "patient": {"group": "A+", "group_basis": "two_samples", "sex": "female", "age_years": 31}
    }
    assert body_of(antibodies=("E", "c")) == {"patient": {"antibodies": ["E", "c"]}}


def test_f65_a_pack_is_added_to_a_running_request() -> None:
    assert body_of(packs=1) == {"massive_transfusion_packs": 1}


def test_lines_say_nothing_of_attributes_that_were_not_written() -> None:
    plain = {"line_no": 1, "component": "red_cells", "measure": "unit", "quantity": 6}
    assert body_of(needs=("red_cells=6",)) == {"lines": [plain]}
    irradiated = {**plain, "attributes": {"irradiated": True}}
    assert body_of(needs=("红细胞=6",), attributes=("辐照",)) == {"lines": [irradiated]}


def test_hours_count_from_now_and_an_instant_is_kept() -> None:
    assert body_of(within_h=2) == {"needed_by": "2025-01-07T06:00:00+00:00"}
    assert body_of(needed_by="2025-01-07T09:00+08:00") == {"needed_by": "2025-01-07T09:00+08:00"}


def test_a_release_is_whole_or_withdrawn() -> None:
    told = {"clinician": "Dr Tashi", "reason": "exsanguinating", "passes": ["antibodies"]}
    assert body_of(**RELEASE) == {"emergency_release": told}
    assert body_of(**{**RELEASE, "passes": ()}) == {
        "emergency_release": {"clinician": "Dr Tashi", "reason": "exsanguinating"}
    }
    assert body_of(withdraw_release=True) == {"emergency_release": None}


@pytest.mark.parametrize(
    "options",
    [
        {**RELEASE, "clinician": None},
        {**RELEASE, "release_reason": None},
        {**RELEASE, "withdraw_release": True},
        {"attributes": ("irradiated",)},
    ],
)
def test_half_of_it_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(typer.BadParameter):
        body_of(**options)


@pytest.mark.parametrize(
    "words", [["r1"], ["r1", "--file", "changes.json", "--group", "A+"], ["r1", "--sex", "x"]]
)
def test_a_command_that_says_nothing_or_too_much_is_refused(words: list[str]) -> None:
    ran = CliRunner().invoke(app, ["request", "amend", *words])
    assert ran.exit_code == 2, ran.output


def test_c38_a_new_request_names_the_patient_and_how_the_group_was_determined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the reference nothing that was told of a patient before is remembered."""
    sent: list[dict[str, Any]] = []

    def capture(asked: Asked, **_: object) -> None:
        sent.append(asked.to_body(Settings())["patient"])
        raise typer.Exit

    monkeypatch.setattr("cli.request_opening.send_request", capture)
    words = ["--reference", "case-118", "--group", "A+", "--basis", "two_samples"]
    ran = CliRunner().invoke(app, ["request", "new", "-n", "red_cells=1", *words])
    assert ran.exit_code == 0, ran.output
    assert sent == [{"reference": "case-118", "group": "A+", "group_basis": "two_samples"}]
