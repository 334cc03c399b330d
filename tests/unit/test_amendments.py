"""What an amendment leaves out stays as it was, through its body on the wire too."""

from __future__ import annotations

from typing import Any

from models.components import Component
from models.events.requests import RequestAmended
from models.patients import Patient
from models.requests import Amendment, HardAttributes, RequestLine, UrgentRequest
from tests.support.world import build_request

KNOWN = Patient.model_validate(
    {
        "reference": "P1",
        "group": "A-",
        "sex": "female",
        "antibodies": ["D", "E"],
        "asian_del": False,
        "rhd_consent": {"physician": "Dr A", "signed_by": "B"},
    }
)


def amend(request: UrgentRequest, **stated: Any) -> UrgentRequest:  # noqa: ANN401 - as JSON gives it
    """Amend as the engine does it: by what the body on Kafka says."""
    ids = {name: getattr(request, name) for name in ("request_id", "hospital_id", "station_id")}
    told = RequestAmended(amendment=Amendment.model_validate({**ids, **stated}))
    read = RequestAmended.model_validate_json(told.to_body())
    return read.amendment.apply_to(request)


def test_telling_a_group_leaves_the_rest_of_the_patient() -> None:
    patient = amend(build_request(patient=KNOWN), patient={"group": "A+"}).patient
    assert patient == KNOWN.but(group="A+", disputed_groups=("A+", "A-"))


def test_antibodies_are_added_and_never_taken_away() -> None:
    request = build_request(patient=KNOWN)
    assert amend(request, patient={"antibodies": []}).patient.antibodies == ("D", "E")
    assert amend(request, patient={"antibodies": ["K"]}).patient.antibodies == ("D", "E", "K")


def test_null_takes_a_consent_away() -> None:
    assert amend(build_request(patient=KNOWN), patient={"rhd_consent": None}).patient == KNOWN.but(
        rhd_consent=None
    )


def test_null_takes_a_note_away_and_leaves_what_a_request_must_have() -> None:
    request = build_request(patient=KNOWN).but(note="bed 4")
    assert amend(request, note=None) == request.but(note="")
    assert amend(request, priority="routine").note == "bed 4"
    for name in Amendment.NEEDED:
        assert amend(request, **{name: None}) == request, name


def test_asking_for_more_leaves_what_a_bag_must_have() -> None:
    must = HardAttributes(irradiated=True, cmv_negative=True)
    line = RequestLine(line_no=1, component=Component.RED_CELLS, quantity=2, attributes=must)
    request = build_request(lines=(line,))
    named = {"line_no": line.line_no, "component": line.component}
    more = amend(request, lines=[{**named, "quantity": 3}]).lines[0]
    assert (more.quantity, more.attributes) == (3, must)
    less = {"irradiated": False, "max_age_d": 5}
    other = amend(request, lines=[{**named, "quantity": 2, "attributes": less}]).lines[0]
    assert other.attributes == must.but(max_age_d=5), "a special need is not taken away like that"
    platelets = {"line_no": line.line_no, "component": "platelets", "quantity": 1}
    assert amend(request, lines=[platelets]).lines[0].attributes == HardAttributes()
