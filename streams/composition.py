"""Services composed on one database, for workers, tests and callers that decide in process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.rules.rulebook import Rulebook
from models.topics import AppName, TopicName
from streams.ports import BatchHandler, Clock, TimerKind
from streams.ports.solver import Solver
from streams.services import timer_firing
from streams.services.alert_activations import Activations
from streams.services.alerts import AlertService
from streams.services.audit_seals import fire_seal
from streams.services.call_stops import CallStops
from streams.services.component_preparation import DonationSplits
from streams.services.demand_outlooks import DemandOutlooks
from streams.services.donation_recalls import Recalls
from streams.services.donor_answers import AnswerService
from streams.services.donor_call_outs import CallOuts
from streams.services.donor_changes import RegisterService
from streams.services.donor_needs import DonorNeeds
from streams.services.hand_giving import HandGiving
from streams.services.patient_changes import PatientChanges
from streams.services.promise_progress import Progress
from streams.services.quarantine_release import Releases
from streams.services.record_intake import Decide, Intake, one_by_one
from streams.services.record_locks import list_record_locks
from streams.services.request_decisions import RequestDecisions
from streams.services.requests import RequestService
from streams.services.shelf_sharing import ShelfSharing
from streams.services.shortage_offers import OfferService
from streams.services.shortage_transfers import Transfers
from streams.services.shortages import ShortageService
from streams.services.stock import StockService
from streams.services.stock_daily_record import StockDayService
from streams.services.timer_firing import TimerService
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_expiry import ExpiryService
from streams.services.unit_holds import UnitHolds
from streams.services.unit_scans import Scans
from streams.solver.direct import DirectSolver
from streams.store.database import Database
from streams.store.directory import PgDirectory
from streams.store.optimistic_unit_of_work import PgBeginOptimistically
from streams.store.unit_of_work import PgBegin


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every use case on one database.

    Attributes:
        handlers: The handler that decides the records of each topic that we read.
    """

    directory: PgDirectory
    handlers: Mapping[TopicName, BatchHandler]
    timers: TimerService


def build_services(
    *,
    database: Database,
    clock: Clock,
    hold_s: int,
    rules: Rulebook,
    solver: Solver | None = None,
) -> Services:
    """Compose the services of one process; without a solver they solve in it."""
    begin = PgBegin(database, rules)
    directory = PgDirectory(database, rules)
    decisions = RequestDecisions(
        directories=directory,
        sharing=ShelfSharing(outlooks=DemandOutlooks(), solver=solver or DirectSolver()),
        hold_s=hold_s,
    )
    transfers = Transfers()
    progress = Progress(decisions=decisions, transfers=transfers)
    recalls = Recalls(progress=progress)
    releases = Releases(recalls=recalls)
    clearing = UnitClearances(directories=directory)
    hand = HandGiving(decisions=decisions, clearing=clearing)
    requests = RequestService(directories=directory, decisions=decisions, hand=hand)
    patients = PatientChanges(decisions=decisions, hand=hand)
    expiry = ExpiryService(progress=progress, clearing=clearing)
    holds = UnitHolds(progress=progress)
    stock = StockService(
        directories=directory,
        scans=Scans(progress=progress, releases=releases, clearing=clearing),
        releases=releases,
        splitting=DonationSplits(releases=releases),
        recalls=recalls,
        holds=holds,
    )
    causes = DonorNeeds(directories=directory)
    call_outs = CallOuts(causes=causes)
    stops = CallStops(causes=causes, call_outs=call_outs)
    shortages = ShortageService(directories=directory, call_outs=call_outs)
    activations = Activations(call_outs=call_outs)
    alerts = AlertService(directories=directory, activations=activations)
    register = RegisterService(alerts=alerts, call_outs=call_outs, releases=releases)
    answers = AnswerService(
        directories=directory, call_outs=call_outs, releases=releases, stops=stops
    )
    offers = OfferService(
        directories=directory, shortages=shortages, transfers=transfers, hold_s=hold_s
    )
    supply = AppName.SUPPLY

    def intake(decide: Decide) -> BatchHandler:
        return Intake(
            begin=begin,
            clock=clock,
            reader=supply,
            decide=decide,
            locks=lambda records: list_record_locks(records, directory.current()),
        )

    return Services(
        directory=directory,
        handlers={
            TopicName.REQUESTS: Intake(
                begin=PgBeginOptimistically(database, rules),
                careful=begin,
                clock=clock,
                reader=AppName.URGENT,
                decide=requests.decide,
            ),
            TopicName.STOCK: intake(one_by_one(stock.act, reader=supply)),
            TopicName.ALERTS: intake(one_by_one(alerts.act, reader=supply)),
            TopicName.ANSWERS: intake(one_by_one(answers.act, reader=supply)),
            TopicName.OFFERS: intake(one_by_one(offers.act, reader=supply)),
        },
        timers=TimerService(
            begin=begin,
            clock=clock,
            fires={
                TimerKind.REMATCH: progress.rematch,
                TimerKind.WAITING_SWEEP: timer_firing.fire_sweep,
                TimerKind.REQUEST_EXPIRY: timer_firing.fire_request_expiry(progress),
                TimerKind.HOLD_LAPSE: timer_firing.fire_hold_lapse(progress, transfers),
                TimerKind.SHORTAGE_ASSESSMENT: shortages.fire,
                TimerKind.CALL_WAVE: call_outs.fire_wave,
                TimerKind.NO_SHOW: call_outs.fire_no_show,
                TimerKind.UNIT_EXPIRY: expiry.fire,
                TimerKind.HOLD_PAST: expiry.end_holds,
                TimerKind.UNIT_HOLD_END: holds.fire_end,
                TimerKind.FEED_RETENTION: timer_firing.fire_retention,
                TimerKind.AUDIT_SEAL: fire_seal,
                TimerKind.EXERCISE_END: alerts.end_exercise,
                TimerKind.DONORS_CHANGED: register.fire,
                TimerKind.PATIENT_CHANGED: patients.look_again,
                TimerKind.STOCK_DAY: StockDayService(directories=directory).fire,
            },
        ),
    )
