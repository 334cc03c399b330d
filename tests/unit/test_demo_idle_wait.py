"""Coming to rest, as the workers' own metrics tell it."""

from __future__ import annotations

import httpx
import pytest

from demo import idle_wait

PAGE = """\
# TYPE xuelian_records_in counter
xuelian_records_in_total{agent="requests"} 5.0
xuelian_records_in_total{agent="stock"} 7.0
# TYPE xuelian_records_dropped counter
xuelian_records_dropped_total{agent="stock"} 1.0
# TYPE xuelian_batch_records histogram
xuelian_batch_records_bucket{agent="stock",le="+Inf"} 3.0
xuelian_batch_records_sum{agent="stock"} %s
xuelian_batch_records_count{agent="stock"} 3.0
"""


def test_counters_are_summed_over_agents() -> None:
    assert idle_wait.read_counts(PAGE % 11) == {
        "xuelian_records_in_total": 12.0,
        "xuelian_records_dropped_total": 1.0,
        "xuelian_batch_records_sum": 11.0,
    }


@pytest.mark.parametrize(("decided", "at_rest"), [(11, True), (10, False)])
async def test_a_record_in_flight_is_no_rest(
    monkeypatch: pytest.MonkeyPatch, decided: int, at_rest: bool
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/metrics"
        return httpx.Response(200, text=PAGE % decided)

    transport = httpx.MockTransport(answer)
    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=transport))
    monkeypatch.setattr(idle_wait, "_LOOK_EVERY_S", 0.01)
    assert await idle_wait.wait_for_rest(["http://worker"], patience_s=0.2) is at_rest


async def test_a_worker_that_is_gone_is_told() -> None:
    with pytest.raises(httpx.HTTPError):
        await idle_wait.wait_for_rest(["http://127.0.0.1:9"], patience_s=0.5)
