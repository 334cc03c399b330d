"""Lines of text for published events, in both languages. Pure.

Every line reports a change; an event without a change that matters to readers has no line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from demo.scenario import Scenario
from models.alerts import Activation, ActivationStatus
from models.events.alerts import ActivationOpened, ActivationRevised, ActivationStoodDown
from models.events.base import EventData
from models.events.donors import CallOutIssued
from models.events.shortages import (
    ShortageCleared,
    ShortageDeclared,
    TransferAgreed,
    TransferCompleted,
)
from models.shortages import Shortage, ShortageLevel, Transfer, TransferStatus

LEVELS_ZH = {
    ShortageLevel.GREEN: "绿",
    ShortageLevel.YELLOW: "黄",
    ShortageLevel.ORANGE: "橙",
    ShortageLevel.RED: "红",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryMoment:
    """A line of the day's story, for the live view and the timeline.

    Attributes:
        kind: `alert`, `activation`, `wave`, `shortage`, `transfer` or `request`.
    """

    at: datetime
    kind: str
    zh: str
    en: str


class Storyteller:
    """Describes events with the names of the scenario.

    Args:
        scenario: Has the short names of the facilities.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._get_names = scenario.get_names

    def find_moment(self, event: EventData, at: datetime) -> StoryMoment | None:
        """Return the line of an event; None if it has none."""
        match event:
            case (
                ActivationOpened(activation=activation)
                | ActivationRevised(activation=activation)
                | ActivationStoodDown(activation=activation)
            ):
                return self._narrate_activation(activation, at)
            case CallOutIssued():
                return self._narrate_wave(event, at)
            case ShortageDeclared(shortage=shortage):
                return self._narrate_shortage(shortage, at)
            case ShortageCleared(shortage=shortage):
                return self._narrate_cleared(shortage, at)
            case TransferAgreed(transfer=transfer) | TransferCompleted(transfer=transfer):
                return self._narrate_transfer(transfer, at)
            case _:
                return None

    def _narrate_activation(self, activation: Activation, at: datetime) -> StoryMoment:
        zh, en = self._get_names(activation.station_id)
        if activation.status is ActivationStatus.STOOD_DOWN:
            return StoryMoment(at=at, kind="activation", zh=f"{zh}解除响应", en=f"{en} stands down")
        missing, wanted = activation.donors_missing, activation.donors_wanted
        revision = f"r{activation.revision}"
        missing_zh = f"，缺 {missing}" if missing else ""
        missing_en = f", {missing} missing" if missing else ""
        return StoryMoment(
            at=at,
            kind="activation",
            zh=f"{zh}响应 {revision}：需献血 {wanted} 人次{missing_zh}",
            en=f"{en} active, {revision}: {wanted} donations wanted{missing_en}",
        )

    def _narrate_wave(self, event: CallOutIssued, at: datetime) -> StoryMoment:
        zh, en = self._get_names(event.station_id)
        people = len(event.calls)
        return StoryMoment(
            at=at,
            kind="wave",
            zh=f"{zh}第 {event.wave} 波呼叫 {people} 人（需 {event.donations_wanted} 人次）",
            en=f"{en} wave {event.wave}: {people} called for {event.donations_wanted} donations",
        )

    def _narrate_shortage(self, shortage: Shortage, at: datetime) -> StoryMoment:
        zh, en = self._get_names(shortage.station_id)
        spec, group, missing = shortage.component.spec, shortage.group, shortage.units_missing
        return StoryMoment(
            at=at,
            kind="shortage",
            zh=f"{zh}短缺 {spec.zh} {group}，缺 {missing}（{LEVELS_ZH[shortage.level]}）",
            en=f"{en} short of {spec.en} {group}: {missing} missing ({shortage.level})",
        )

    def _narrate_cleared(self, shortage: Shortage, at: datetime) -> StoryMoment:
        zh, en = self._get_names(shortage.station_id)
        spec = shortage.component.spec
        return StoryMoment(
            at=at,
            kind="shortage",
            zh=f"{zh} {spec.zh} {shortage.group} 短缺解除",
            en=f"{en}: {spec.en} {shortage.group} no longer short",
        )

    def _narrate_transfer(self, transfer: Transfer, at: datetime) -> StoryMoment:
        (from_zh, from_en), (to_zh, to_en) = (
            self._get_names(transfer.from_station_id),
            self._get_names(transfer.to_station_id),
        )
        steps = {
            TransferStatus.AGREED: ("商定调剂", "agreed"),
            TransferStatus.COMPLETED: ("调剂到达", "arrived"),
            TransferStatus.CANCELLED: ("调剂取消", "cancelled"),
            TransferStatus.IN_TRANSIT: ("调剂在途", "on the road"),
        }
        zh, en = steps[transfer.status]
        bags = len(transfer.unit_ids)
        return StoryMoment(
            at=at,
            kind="transfer",
            zh=f"{from_zh} → {to_zh} {zh} {bags} 袋",
            en=f"{from_en} → {to_en}: {bags} bags {en}",
        )
