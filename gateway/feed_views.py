"""Views of the feed: which of its events each scope may see. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.intake.waiting_calls import FOLLOWED
from models.access import KeyScope, Principal
from models.envelope import Envelope
from models.errors import DomainRefusal
from models.topics import TopicName
from streams.store.read_models.feed import FeedEvent, FeedFilter

_BETWEEN_STATIONS = (TopicName.SHORTAGES, TopicName.TRANSFERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One caller's view of the feed.

    Attributes:
        wanted: The filter by which PostgreSQL is read.
        party: The station that sees only transfers to or from itself; None sees all transfers.
    """

    wanted: FeedFilter
    party: str | None = None

    def may_see(self, event: FeedEvent) -> bool:
        """Return whether an event that was read is shown.

        A transfer is shown only to its two stations.
        """
        if self.party is None or event.topic != TopicName.TRANSFERS:
            return True
        return self.party in _list_parties(event.body)

    def may_concern(self, topic: str, envelope: Envelope) -> bool:
        """Return whether a published event is worth a look at PostgreSQL.

        It may say yes too often.
        """
        if topic not in self.wanted.topics:
            return False
        if topic in self.wanted.open_topics:
            return True
        own = self.wanted.station_id or self.wanted.hospital_id or ""
        return f'"{own}"'.encode() in envelope.data


def view_of(principal: Principal, *, topics: Collection[str] | None) -> View:
    """Return what a principal may see, narrowed to the topics it asks for.

    Raises:
        DomainRefusal: `scope_not_allowed`: its scope may see none of the topics.
    """
    view = _whole_view(principal)
    if topics is None:
        return view
    wanted = view.wanted.only(topics)
    if not wanted.topics:
        allowed = ", ".join(view.wanted.topics)
        raise DomainRefusal("scope_not_allowed", scope=principal.scope, allowed=allowed)
    return View(wanted=wanted, party=view.party)


def _whole_view(principal: Principal) -> View:
    own = principal.facility_id
    match principal.scope:
        case KeyScope.HOSPITAL:
            topics = (TopicName.DECISIONS, TopicName.REFUSALS)
            return View(wanted=FeedFilter(topics=topics, hospital_id=own))
        case KeyScope.STATION:
            wanted = FeedFilter(topics=FOLLOWED, open_topics=_BETWEEN_STATIONS, station_id=own)
            return View(wanted=wanted, party=own)
        case KeyScope.NEIGHBOUR:
            wanted = FeedFilter(topics=_BETWEEN_STATIONS, open_topics=_BETWEEN_STATIONS)
            return View(wanted=wanted, party=own)
        case KeyScope.DISPATCHER:
            return View(wanted=FeedFilter(topics=FOLLOWED, open_topics=FOLLOWED))
        case KeyScope.DISASTER:
            activations = (TopicName.ACTIVATIONS,)
            return View(wanted=FeedFilter(topics=activations, open_topics=activations))


def _list_parties(body: bytes) -> tuple[Any, Any]:
    content = orjson.loads(body)
    transfer = content.get("transfer", content)
    return transfer.get("from_station_id"), transfer.get("to_station_id")
