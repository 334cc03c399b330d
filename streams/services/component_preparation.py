"""Make components of whole blood, or deglycerolise frozen red cells: the bag ends, others begin.

What is made shares the donation id and the instant of collection and names the bag as its parent.
It begins in quarantine and is released by the same results; what is made of a frozen bag that its
station had released by its own word stands under that word.
"""

from __future__ import annotations

from models.components import Component
from models.errors import ContractError, DomainRefusal
from models.events.donations import DonationSplit, MadeComponent
from models.rules.rulebook import Rulebook
from models.shelf_lives import find_full_life
from models.unit_states import Actor, describe_states_for
from models.units import Unit, UnitStatus
from streams.ports import Received, UnitOfWork
from streams.ports.stock import NewUnit, UnitState
from streams.services.quarantine_release import Releases
from streams.services.told_units import build_unit
from streams.services.unit_moves import MoveCause, move, name_actor, record_birth


class DonationSplits:
    """Acts on `blood.donation.split.v1`.

    Args:
        releases: Assesses the results, which may be complete before the bag is split.
    """

    def __init__(self, *, releases: Releases) -> None:
        self._releases = releases

    async def act(self, work: UnitOfWork, record: Received, event: DonationSplit) -> None:
        """Split one bag.

        Raises:
            ContractError: It names a unit that does not exist, or components that cannot be made.
            DomainRefusal: The bag's state does not allow it, or its components exceed its volume.
        """
        actor, _ = name_actor(record, station_id=event.station_id)
        await work.donations.lock_donations([event.donation_id], enters=True)
        states = await work.stock.lock_units(
            [event.unit_id, *(made.unit_id for made in event.components)]
        )
        parent = states.pop(event.unit_id, None)
        if parent is None:
            raise ContractError("unit_unknown", unit_id=event.unit_id)
        for unit_id in sorted(states):
            raise ContractError("unit_id_reused", unit_id=unit_id)
        _ensure_splittable(parent, event, work.rules)
        children = [_build(parent, made, event, work.rules) for made in event.components]
        is_attested = parent.status is UnitStatus.AVAILABLE and parent.attested_by is not None
        begins = UnitStatus.AVAILABLE if is_attested else UnitStatus.QUARANTINED
        why = f"split from {parent.unit_id}"
        cause = MoveCause(actor=actor, why="split")
        await move(work, parent, UnitStatus.SPLIT, cause)
        await work.stock.add_units(
            [
                NewUnit(
                    unit=child,
                    status=begins,
                    source="donor",
                    released_at=parent.released_at if is_attested else None,
                    attested_by=parent.attested_by if is_attested else None,
                    parent_id=parent.unit_id,
                )
                for child in children
            ]
        )
        born = MoveCause(actor=Actor.STATION, why=why)
        for child in children:
            record_birth(
                work,
                child.unit_id,
                begins,
                born,
                station_id=child.station_id,
            )
        await self._releases.assess(work, parent.donation_id)


def _ensure_splittable(parent: UnitState, event: DonationSplit, rules: Rulebook) -> None:
    if parent.station_id != event.station_id:
        raise ContractError(
            "unit_elsewhere",
            unit_id=parent.unit_id,
            station_id=event.station_id,
            held_by=parent.station_id,
        )
    if parent.donation_id != event.donation_id:
        raise ContractError(
            "unit_of_other_donation", unit_id=parent.unit_id, donation_id=event.donation_id
        )
    glycerol = rules.safety.glycerol
    if parent.component in glycerol.components:
        for made in event.components:
            if made.component is not glycerol.instead:
                raise ContractError(
                    "component_not_of_frozen", component=made.component, instead=glycerol.instead
                )
        return
    if parent.component is not Component.WHOLE_BLOOD:
        raise DomainRefusal("not_whole_blood", unit_id=parent.unit_id, component=parent.component)
    if parent.status is UnitStatus.AVAILABLE:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=parent.unit_id,
            status=parent.status,
            change=UnitStatus.SPLIT,
            needed=describe_states_for("split"),
        )
    made_ml = sum(made.volume_ml for made in event.components)
    if made_ml > parent.volume_ml:
        raise DomainRefusal(
            "split_volume_exceeds",
            unit_id=parent.unit_id,
            made_ml=made_ml,
            volume_ml=parent.volume_ml,
        )


def _build(parent: UnitState, made: MadeComponent, event: DonationSplit, rules: Rulebook) -> Unit:
    """Build a component; the shelf life of its own kind bounds its expiry."""
    if made.component is Component.WHOLE_BLOOD or (
        made.component is rules.safety.glycerol.instead
        and parent.component is Component.WHOLE_BLOOD
    ):
        raise ContractError("component_not_of_whole_blood", component=made.component)
    traits = made.traits
    is_thawed = made.component is rules.safety.glycerol.instead
    if is_thawed and traits.deglycerolised_at is None:
        traits = traits.but(deglycerolised_at=event.split_at)
    until = find_full_life(made.component, parent.collected_at, traits, rules.components)
    return build_unit(
        made,
        donation_id=parent.donation_id,
        station_id=parent.station_id,
        group=parent.group,
        collected_at=parent.collected_at,
        expires_at=made.expires_at or until,
        traits=traits,
    )
