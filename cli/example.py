"""Makes a small example region through the gateway, as a new user would make a real region.

It is idempotent: a facility that is registered as in the example is left alone, and so are a shelf
that holds anything and a key that exists. A system with blood or requests of its own, or where
somebody else has a name of the example, is refused before anything is written: single records
cannot be deleted, and a practice system is removed with its whole state folder.
"""

from __future__ import annotations

import csv
import io
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from pydantic import SecretStr

from cli.gateway import GatewayClient
from cli.keystore import create_key, list_keys
from models.base import change
from models.errors import DomainRefusal
from models.facilities import Hospital, Station
from models.texts.instants import BEIJING
from streams.clock import parse_clock
from streams.settings import Settings

_COLLECTED_D = 2
_WAIT_S = 30.0
_LOOK_S = 0.3
_TOLD_MOST = 6
_OWN = "EX-"
"""Prefix of the number of each unit of the example."""

SHELF, OTHER = "shigatse", "lhasa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made.

    Attributes:
        keys: Text of each key that was made now, by its id; keys that existed are not shown again.
        units: Number of units that were put on shelves now.
    """

    stations: list[str]
    hospitals: list[str]
    units: int
    donors: int
    keys: dict[str, str] = field(default_factory=dict)


def make_region(settings: Settings, *, resolved: Settings, report: Callable[[str], None]) -> Made:
    """Register the region, fill empty shelves, make keys, and wait until the bags are there.

    Args:
        settings: The gateway's address and a dispatcher's key.
        resolved: Where PostgreSQL is, for the keys.
        report: Called with each step.

    Raises:
        DomainRefusal: `example_in_use`: the system is in use; nothing was written.
        GatewayRefusedError: The gateway refused a part.
        TransientError: The gateway, Kafka or PostgreSQL is away.
    """
    region = _read()
    now = parse_clock(settings.clock).now()
    with GatewayClient(settings, wait_s=_WAIT_S) as gateway:
        report("查看现有登记 · looking at what is registered")
        known = _ExampleState.read(gateway)
        _ensure_free(gateway, region, known)
        report("血站、医院、行程 · stations, hospitals, journeys")
        for kind in ("stations", "hospitals"):
            for facility in region[kind]:
                name = facility[f"{kind[:-1]}_id"]
                if name not in known.of_kind(kind):
                    # Version 0: what somebody registers meanwhile is not overwritten.
                    first = {"If-Match": '"0"'}
                    gateway.call("PUT", f"/v1/{kind}/{name}", json=facility, headers=first)
        gateway.call("PUT", "/v1/routes", json={"routes": region["routes"]})
        report("库存 · stock")
        units = sum(_fill(gateway, region, name, now=now) for name in (SHELF, OTHER))
    # Keys come last, because their text is shown once: everything that may fail is done by then.
    report("密钥 · keys")
    keys = _make_keys(resolved)
    donors = 0
    if (key := keys.get("example-station")) is not None:
        report("献血者 · donors")
        try:
            donors = _add_donors(settings, key, region["donors"], now=now)
        except Exception:
            for name, text in keys.items():
                report(f"密钥已建 · key made: {name}: {text}")
            raise
    return Made(
        stations=[station["station_id"] for station in region["stations"]],
        hospitals=[hospital["hospital_id"] for hospital in region["hospitals"]],
        units=units,
        donors=donors,
        keys=keys,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExampleState:
    """What is registered, by its id; the seconds of a journey by its two ends."""

    stations: Mapping[str, Station]
    hospitals: Mapping[str, Hospital]
    routes: Mapping[tuple[str, str], int]

    @classmethod
    def read(cls, gateway: GatewayClient) -> _ExampleState:
        stations = gateway.call("GET", "/v1/stations")["stations"]
        hospitals = gateway.call("GET", "/v1/hospitals")["hospitals"]
        routes = gateway.call("GET", "/v1/routes")["routes"]
        found = [Station.model_validate(row["station"]) for row in stations]
        others = [Hospital.model_validate(row["hospital"]) for row in hospitals]
        return cls(
            stations={station.station_id: station for station in found},
            hospitals={hospital.hospital_id: hospital for hospital in others},
            routes={(route["from_id"], route["to_id"]): route["eta_s"] for route in routes},
        )

    def of_kind(self, kind: str) -> Mapping[str, Station | Hospital]:
        return {**(self.stations if kind == "stations" else self.hospitals)}


def _ensure_free(gateway: GatewayClient, region: Mapping[str, Any], known: _ExampleState) -> None:
    """Refuse a system that is in use.

    Raises:
        DomainRefusal: `example_in_use`, with what is there.
    """
    found = [*_list_taken(region, known), *_list_used(gateway, region, known)]
    if found:
        more = f"；… +{len(found) - _TOLD_MOST}" if len(found) > _TOLD_MOST else ""
        raise DomainRefusal("example_in_use", found="；".join(found[:_TOLD_MOST]) + more)


def _list_taken(region: Mapping[str, Any], known: _ExampleState) -> Iterator[str]:
    """Yield each name of the example that is registered for somebody else or with other values."""
    examples: dict[str, Station | Hospital] = {}
    for station in region["stations"]:
        examples[station["station_id"].casefold()] = Station.model_validate(station)
    for hospital in region["hospitals"]:
        examples[hospital["hospital_id"].casefold()] = Hospital.model_validate(hospital)
    registered: list[Station | Hospital] = [*known.stations.values(), *known.hospitals.values()]
    for there in registered:
        name = there.station_id if isinstance(there, Station) else there.hospital_id
        example = examples.get(name.casefold())
        if example is not None and not _is_example(there, example):
            yield f"{name} {there.name_zh} · {there.name_en}"
    for route in region["routes"]:
        eta_s = known.routes.get((route["from_id"], route["to_id"]), route["eta_s"])
        if eta_s != route["eta_s"]:
            yield f"{route['from_id']} → {route['to_id']} {eta_s} s"


def _is_example(there: Station | Hospital, example: Station | Hospital) -> bool:
    """Return whether registering the example would change nothing."""
    if isinstance(there, Station) and isinstance(example, Station):
        return change(there, example) == there
    if isinstance(there, Hospital) and isinstance(example, Hospital):
        return change(there, example) == there
    return False


def _list_used(
    gateway: GatewayClient, region: Mapping[str, Any], known: _ExampleState
) -> Iterator[str]:
    """Yield blood and requests that are not the example's own."""
    own = {row["station_id"] for row in region["stations"]}
    own |= {row["hospital_id"] for row in region["hospitals"]}
    for station in known.stations:
        if station in own:
            strange = _count_strange(gateway, station)
        else:
            stock = gateway.call("GET", f"/v1/stations/{station}/stock")["stock"]
            strange = sum(row["bags"] for row in stock)
        if strange:
            yield f"{station}: {strange} 袋 · bags"
    for hospital in known.hospitals.keys() - own:
        params = {"hospital_id": hospital, "limit": 1}
        if gateway.call("GET", "/v1/requests", params=params)["requests"]:
            yield f"{hospital}: 有申请 · requests"


def _count_strange(gateway: GatewayClient, station: str) -> int:
    """Count the units on a shelf of the example that do not belong to it."""
    held = gateway.download(f"/v1/stations/{station}/stock/export").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(held)))
    return sum(not row["血袋号"].startswith(_OWN) for row in rows)


def _read() -> dict[str, Any]:
    text = files("cli").joinpath("example_region.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _make_keys(settings: Settings) -> dict[str, str]:
    taken = {key.key_id for key in list_keys(settings)}
    wanted = (("station", SHELF), ("hospital", "dingri-county"))
    return {
        f"example-{scope}": create_key(
            settings,
            scope=scope,
            facility_id=facility,
            label="示例 · example",
            key_id=f"example-{scope}",
        ).text
        for scope, facility in wanted
        if f"example-{scope}" not in taken
    }


def _fill(gateway: GatewayClient, region: Mapping[str, Any], station: str, *, now: datetime) -> int:
    """Put units on a shelf that holds none, and wait until they are there."""
    if gateway.call("GET", f"/v1/stations/{station}/stock")["stock"]:
        return 0
    units = _build_units(region, station, now=now)
    body = {
        "counted_at": now.isoformat(),
        "released_by": "示例 · example",
        "released_at": (now - timedelta(days=1)).isoformat(),
        "units": units,
    }
    path = f"/v1/stations/{station}/stock"
    gateway.call("POST", path, json=body)
    ends_at = time.monotonic() + _WAIT_S
    while time.monotonic() < ends_at:
        rows = gateway.call("GET", path)["stock"]
        if sum(row["bags"] for row in rows) >= len(units):
            break
        time.sleep(_LOOK_S)
    return len(units)


def _build_units(region: Mapping[str, Any], station: str, *, now: datetime) -> list[dict[str, Any]]:
    collected = (now - timedelta(days=_COLLECTED_D)).astimezone(BEIJING)
    units: list[dict[str, Any]] = []
    for kind in region["stock"]:
        if kind["station_id"] != station:
            continue
        last_day = collected + timedelta(days=kind["keeps_d"])
        expires = last_day.replace(hour=23, minute=59, second=0, microsecond=0)
        for group, count in kind["groups"].items():
            for _ in range(count):
                number = f"{_OWN}{station.upper()}-{now:%y%m%d}-{len(units) + 1:04}"
                units.append(
                    {
                        "unit_id": number,
                        "donation_id": number,
                        "component": kind["component"],
                        "group": group,
                        "volume_ml": kind["volume_ml"],
                        "collected_at": collected.isoformat(timespec="seconds"),
                        "expires_at": expires.isoformat(timespec="seconds"),
                        "released": True,
                    }
                )
    return units


def _add_donors(settings: Settings, key: str, donors: Mapping[str, Any], *, now: datetime) -> int:
    """Register donors with the station's key: its register is changed by the station alone."""
    rows = [
        {
            "donor_id": f"EX-DONOR-{number:02}",
            "name": f"示例献血者{number}",
            # No network serves this range. Each donor gets a number of it, because a number is
            # called once for a cause.
            "contact": f"+86 000 0000 {number:04}",
            "group": group,
            "sex": "female" if number % 2 else "male",
            "born_on": "1990-05-31",
            "weight_kg": 65,
            "location": donors["location"],
            "consented_at": (now - timedelta(days=30)).isoformat(timespec="seconds"),
        }
        for number, group in enumerate(donors["groups"], 1)
    ]
    own = settings.model_copy(update={"api_key": SecretStr(key)})
    with GatewayClient(own) as gateway:
        path = f"/v1/stations/{donors['station_id']}/donors"
        gateway.call("POST", path, json={"donors": rows})
    return len(rows)
