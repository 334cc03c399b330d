"""Plays the day: all actors work at once, until everything that is under way has ended.

Owns the tasks of all actors. An errand (a request, a donor, a unit on the road) ends by itself and
is waited for; tasks that follow events are stopped at the end, the dispatcher's screen last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from demo.actor_context import DrillStage
from demo.actors.disaster import run_disaster_feed
from demo.actors.donors import Notifier
from demo.actors.faulty_senders import run_faulty_senders
from demo.actors.hospitals import DecisionWatch, run_hospitals
from demo.actors.lookback import run_look_back
from demo.actors.neighbours import Neighbour, run_neighbours
from demo.actors.observer import Observer
from demo.actors.stations import StationStaff
from demo.casualties import PlannedRequest

_READY_S = 20.0
_QUIET_LOOKS = 5
_LOOK_EVERY_S = 0.1


class _CurtainFallenError(Exception):
    """The day is over: errands that are still under way are stopped."""


async def play(
    stage: DrillStage, planned: tuple[PlannedRequest, ...], *, report: Callable[[str], None]
) -> None:
    """Play the whole day.

    Args:
        stage: With everything registered.
        planned: The hospitals' requests.
        report: Called with each step.

    Raises:
        ExceptionGroup: An actor failed; the others were stopped.
        TimeoutError: The event streams did not connect.
    """
    async with asyncio.TaskGroup() as followers:
        observer = Observer(stage)
        watching = [
            followers.create_task(work)
            for work in (
                observer.watch_events(),
                observer.watch_dead_letters(),
                observer.watch_shelves(),
            )
        ]
        await asyncio.wait_for(observer.ready(), _READY_S)
        try:
            async with asyncio.TaskGroup() as errands:
                await _work(stage, planned, errands, report=report)
                raise _CurtainFallenError
        except* _CurtainFallenError:
            await observer.read_calls()
        for task in watching:
            task.cancel()


async def _work(
    stage: DrillStage,
    planned: tuple[PlannedRequest, ...],
    errands: asyncio.TaskGroup,
    *,
    report: Callable[[str], None],
) -> None:
    """Let all actors work until the day is over and nothing is under way."""
    watch = DecisionWatch(stage.kafka_bootstrap)
    staff = {
        station.station_id: StationStaff(stage, station.station_id, errands)
        for station in stage.scenario.stations
    }
    notifier = Notifier(stage, staff, errands)
    neighbours = [Neighbour(stage, station) for station in stage.scenario.stations]
    for work in (watch.run(), notifier.run(), run_neighbours(neighbours)):
        errands.create_task(work)
    for team in staff.values():
        errands.create_task(team.run())
    async with asyncio.timeout(_READY_S):
        await asyncio.gather(
            watch.ready(),
            notifier.ready(),
            *(neighbour.ready() for neighbour in neighbours),
            *(team.connected.wait() for team in staff.values()),
        )
    report("各方就位 · every actor is in place")
    for team in staff.values():
        errands.create_task(team.release_night_tests())
    errands.create_task(run_disaster_feed(stage))
    errands.create_task(run_hospitals(stage, planned, watch))
    errands.create_task(run_faulty_senders(stage, planned))
    errands.create_task(run_look_back(stage))
    await stage.sleep_until(stage.scenario.at(stage.scenario.timeline.ends_after_h))
    stage.curtain.set()
    await _settle(stage)


async def _settle(stage: DrillStage) -> None:
    """Wait until nothing is under way, for `settle_s` at most."""
    quiet = 0
    try:
        async with asyncio.timeout(stage.scenario.timeline.settle_s):
            while quiet < _QUIET_LOOKS:
                quiet = 0 if stage.busy else quiet + 1
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        stage.board.note(
            stage.clock.now(),
            "request",
            f"演示结束时仍有 {stage.busy} 件在途",
            f"{stage.busy} errands are still under way at the end",
        )
