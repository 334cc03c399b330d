"""What a request never got is counted from its promises, whatever became of it."""

from __future__ import annotations

from gateway.requests.line_amounts import complete_row, describe_lines, list_missing
from models.components import Component
from models.doses import OrderMeasure
from models.requests import RequestLine
from tests.support.world import build_request


def bag(line_no: int, component: str, volume_ml: int) -> dict[str, object]:
    return {"line_no": line_no, "component": component, "volume_ml": volume_ml}


LINES = (
    RequestLine(line_no=1, component=Component.RED_CELLS, quantity=4),
    RequestLine(
        line_no=3, component=Component.FROZEN_PLASMA, measure=OrderMeasure.ML, quantity=500
    ),
)


def test_each_line_is_counted_in_its_own_measure() -> None:
    request = build_request(lines=LINES)
    bags = [bag(1, "red_cells", 300), bag(1, "red_cells", 200), bag(3, "frozen_plasma", 120)]
    assert [owed for _, owed in list_missing(request, bags)] == [2, 380]
    assert [owed for _, owed in list_missing(request, [])] == [4, 500]
    plenty = [bag(1, "red_cells", 400), bag(1, "red_cells", 400), bag(1, "red_cells", 400)]
    assert list_missing(request, plenty)[0][1] == 0


def test_a_bag_of_a_line_that_is_gone_covers_nothing() -> None:
    assert [owed for _, owed in list_missing(build_request(lines=LINES), [bag(2, "red_cells", 400)])
            ] == [4, 500]  # fmt: skip


def test_answers_have_the_lines_in_place_of_body_and_bags() -> None:
    request = build_request(lines=LINES[:1])
    (line,) = describe_lines(request, [bag(1, "red_cells", 200)], missing="uncovered")
    assert line == {
        "line_no": 1, "component": "red_cells", "measure": "unit", "quantity": 4, "uncovered": 3,
    }  # fmt: skip
    row = {"request_id": "r", "body": request.model_dump(mode="json"), "bags": []}
    told = complete_row(row)
    assert told.keys() == {"request_id", "lines"}
    assert told["lines"][0]["missing"] == 4
