"""Services composed on one database: shared by workers, tests and whoever decides in process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.topics import AppName, TopicName
from streams.ports import BatchHandler, Clock, TimerKind
from streams.services import timers
from streams.services.alerts import AlertService
from streams.services.answers import AnswerService
from streams.services.call_outs import CallOuts
from streams.services.causes import Causes
from streams.services.deciding import Deciding
from streams.services.decisions import DecisionService
from streams.services.intake import Concern, Decide, Intake, one_by_one
from streams.services.offers import OfferService
from streams.services.progress import Progress
from streams.services.requests import RequestService
from streams.services.shortages import ShortageService
from streams.services.stock import StockService
from streams.services.timers import ExpiryService, TimerService
from streams.services.transfers import Transfers
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.unit_of_work import PgBegin


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every use case on one database.

    Attributes:
        handlers: What decides the records of each topic that we read.
    """

    directory: PgDirectory
    handlers: Mapping[TopicName, BatchHandler]
    timers: TimerService


def build_services(*, database: Database, clock: Clock, hold_s: int) -> Services:
    """Compose the services of one process."""
    begin = {
        AppName.URGENT: PgBegin(database),
        AppName.SUPPLY: PgBegin(database, one_at_a_time=True),
    }
    directory = PgDirectory(database)
    deciding = Deciding(directories=directory, hold_s=hold_s)
    transfers = Transfers()
    progress = Progress(deciding=deciding, transfers=transfers)
    requests = RequestService(directories=directory, deciding=deciding)
    stock = StockService(directories=directory, progress=progress)
    call_outs = CallOuts(causes=Causes(directories=directory))
    shortages = ShortageService(directories=directory, call_outs=call_outs)
    alerts = AlertService(directories=directory, call_outs=call_outs)
    answers = AnswerService(directories=directory, call_outs=call_outs)
    offers = OfferService(directories=directory, shortages=shortages, hold_s=hold_s)
    decisions = DecisionService(directories=directory, shortages=shortages)
    supply = AppName.SUPPLY

    def intake(reader: AppName, decide: Decide, concern: Concern | None = None) -> BatchHandler:
        return Intake(
            begin=begin[reader], clock=clock, reader=reader, decide=decide, concern=concern
        )

    return Services(
        directory=directory,
        handlers={
            TopicName.REQUESTS: intake(AppName.URGENT, requests.decide),
            TopicName.STOCK: intake(supply, one_by_one(stock.act, reader=supply)),
            TopicName.DECISIONS: intake(supply, decisions.decide, decisions),
            TopicName.ALERTS: intake(supply, one_by_one(alerts.act, reader=supply)),
            TopicName.ANSWERS: intake(supply, one_by_one(answers.act, reader=supply)),
            TopicName.OFFERS: intake(supply, one_by_one(offers.act, reader=supply)),
        },
        timers=TimerService(
            begin=begin[supply],
            clock=clock,
            fires={
                TimerKind.REMATCH: timers.fire_rematch(progress),
                TimerKind.REQUEST_EXPIRY: timers.fire_request_expiry(progress),
                TimerKind.HOLD_LAPSE: timers.fire_hold_lapse(progress, transfers),
                TimerKind.SHORTAGE_ASSESSMENT: shortages.fire,
                TimerKind.CALL_WAVE: call_outs.fire_wave,
                TimerKind.NO_SHOW: call_outs.fire_no_show,
                TimerKind.UNIT_EXPIRY: ExpiryService(progress=progress).fire,
                TimerKind.FEED_RETENTION: timers.fire_retention,
            },
        ),
    )
