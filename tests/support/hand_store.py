"""What the store of units must do for hand work, in PostgreSQL and in memory alike."""

from __future__ import annotations

from datetime import datetime

from models.requests import Priority
from models.units import UnitStatus
from streams.ports.stock import FoundUnit, GivingBack, StockStore

WHY = "taken_back_by_hand r by Tsering: why"


async def find(stock: StockStore, unit_id: str) -> FoundUnit:
    found = await stock.find_unit(unit_id)
    assert found is not None
    return found


async def check_hand_store(
    stock: StockStore, *, free: str, given: str, chosen: str, request_id: str, now: datetime
) -> None:
    """Check the reads and the one write, on a request with a bag given by hand and one chosen."""
    assert await stock.find_unit("NO-SUCH-UNIT") is None
    lying = await find(stock, free)
    assert lying.unit.status is UnitStatus.AVAILABLE
    assert (lying.request_id, lying.line_no, lying.transfer_id, lying.priority) == (None,) * 4
    for unit_id in (given, chosen):
        held = await find(stock, unit_id)
        assert held.unit.status is UnitStatus.RESERVED
        assert (held.request_id, held.line_no, held.transfer_id) == (request_id, 1, None)
        assert held.priority is Priority.ROUTINE
    (by_hand,) = await stock.list_given_by_hand(request_id)
    assert (by_hand.unit.unit_id, by_hand.line_no) == (given, 1)
    assert by_hand.unit.status is UnitStatus.AVAILABLE, "as if it were free already"
    assert (by_hand.actor, by_hand.by) == ("dispatcher/night-desk", "Tsering")
    assert await stock.list_given_by_hand("nobody") == []

    which = GivingBack(
        request_id=request_id, states=[UnitStatus.RESERVED], unit_ids=[given], why=WHY
    )
    freed = await stock.release_held(which, now=now)
    assert list(freed) == [given]
    assert (await find(stock, given)).unit.status is UnitStatus.AVAILABLE
    assert (await find(stock, chosen)).request_id == request_id, "the other stays held"
    assert await stock.list_given_by_hand(request_id) == []
