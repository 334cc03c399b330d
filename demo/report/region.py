"""The map: facilities by latitude and longitude, the roads between them, and the units carried.

Drawn from the scenario's own coordinates; nothing is fetched.
"""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from demo.actor_context import DrillStage
from demo.report.style import AXIS, BLOOD, GOLD, INK, LEAF, SKY, layout
from models.facilities import Location

_WIDEST = 9.0

_SIDES = {
    "shigatse-people": "bottom right",
    "lhatse-county": "top center",
    "sagya-county": "bottom right",
    "dingri-county": "top left",
}


def plot_map(stage: DrillStage) -> go.Figure:
    """Draw stations, hospitals, roads (as wide as the units they carried), and the epicentre.

    The left map shows the whole region with the stations, the right map the stricken counties with
    their hospitals.
    """
    figure = make_subplots(rows=1, cols=2, column_widths=[0.5, 0.5], horizontal_spacing=0.07)
    carried = _count_carried(stage)
    most = max(carried.values(), default=1)
    for road in stage.scenario.roads:
        units = carried[frozenset(road.between)]
        for col in (1, 2):
            width = 1 + _WIDEST * units / most
            _draw_road(figure, stage, road.between, units, width=width, col=col)
    _draw_hospitals(figure, stage, col=1, told=False)
    _draw_hospitals(figure, stage, col=2, told=True)
    for col in (1, 2):
        _draw_stations(figure, stage, col=col)
        _draw_epicentre(figure, stage, col=col)
    figure.update_layout(layout(470))
    figure.update_xaxes(**AXIS)
    figure.update_yaxes(**AXIS)
    figure.update_xaxes(range=[79, 93.5], title="东经 · longitude °E", col=1)
    figure.update_yaxes(range=[26.6, 33.8], title="北纬 · latitude °N", col=1)
    figure.update_xaxes(range=[84.8, 90.4], title="东经 · longitude °E", col=2)
    figure.update_yaxes(range=[27.8, 29.7], col=2)
    return figure


def _count_carried(stage: DrillStage) -> Counter[frozenset[str]]:
    carried: Counter[frozenset[str]] = Counter()
    for hospital_id in stage.board.received.values():
        station_id = stage.scenario.get_hospital(hospital_id).hospital.station_id
        carried[frozenset((station_id, hospital_id))] += 1
    for from_id, to_id in stage.board.shared.values():
        carried[frozenset((from_id, to_id))] += 1
    return carried


def _find_location(stage: DrillStage, facility_id: str) -> Location:
    for station in stage.scenario.stations:
        if station.station_id == facility_id:
            return station.location
    return stage.scenario.get_hospital(facility_id).hospital.location


def _draw_road(
    figure: go.Figure,
    stage: DrillStage,
    between: tuple[str, str],
    units: int,
    *,
    width: float,
    col: int,
) -> None:
    near, far = (_find_location(stage, facility_id) for facility_id in between)
    names = " – ".join(stage.scenario.get_names(facility_id)[0] for facility_id in between)
    hours = stage.scenario.routes[between] / 3600
    # A third point half-way carries the hover text, which shows on points only.
    figure.add_scatter(
        x=[near.lon, (near.lon + far.lon) / 2, far.lon],
        y=[near.lat, (near.lat + far.lat) / 2, far.lat],
        mode="lines",
        line={"color": LEAF if units else "#d1d5db", "width": width},
        opacity=0.6,
        hovertext=f"{names}<br>{hours:.1f} h（估算 · estimated）<br>{units} 袋 · bags",
        hoverinfo="text",
        showlegend=False,
        row=1,
        col=col,
    )


def _draw_stations(figure: go.Figure, stage: DrillStage, *, col: int) -> None:
    stations = stage.scenario.demo_stations
    figure.add_scatter(
        x=[demo_station.station.location.lon for demo_station in stations],
        y=[demo_station.station.location.lat for demo_station in stations],
        mode="markers+text",
        marker={"symbol": "square", "size": 15, "color": BLOOD},
        text=[
            f"<b>{demo_station.short[0]}</b><br>{demo_station.station.altitude_m:,} m"
            for demo_station in stations
        ],
        textposition="top center",
        textfont={"color": INK, "size": 12},
        hovertext=[
            f"{demo_station.station.name_zh}<br>{demo_station.station.name_en}"
            for demo_station in stations
        ],
        hoverinfo="text",
        name="血站 · blood stations",
        showlegend=col == 1,
        row=1,
        col=col,
    )


def _draw_hospitals(figure: go.Figure, stage: DrillStage, *, col: int, told: bool) -> None:
    hospitals = stage.scenario.hospitals
    figure.add_scatter(
        x=[demo_hospital.hospital.location.lon for demo_hospital in hospitals],
        y=[demo_hospital.hospital.location.lat for demo_hospital in hospitals],
        mode="markers+text" if told else "markers",
        marker={"symbol": "cross", "size": 12 if told else 7, "color": SKY},
        text=[
            f"{demo_hospital.short[0]} {demo_hospital.altitude_m:,} m"
            for demo_hospital in hospitals
        ],
        textposition=[
            _SIDES.get(demo_hospital.hospital.hospital_id, "bottom center")
            for demo_hospital in hospitals
        ],
        textfont={"color": INK, "size": 12},
        hovertext=[
            f"{demo_hospital.hospital.name_zh}<br>{demo_hospital.hospital.name_en}"
            for demo_hospital in hospitals
        ],
        hoverinfo="text",
        name="医院 · hospitals",
        showlegend=told,
        row=1,
        col=col,
    )


def _draw_epicentre(figure: go.Figure, stage: DrillStage, *, col: int) -> None:
    event = stage.scenario.event
    figure.add_scatter(
        x=[event.lon],
        y=[event.lat],
        mode="markers",
        marker={"symbol": "star", "size": 20, "color": GOLD, "line": {"color": BLOOD, "width": 2}},
        hovertext=f"震中 · epicentre<br>{event.lat}° N {event.lon}° E, {event.depth_km:.0f} km",
        hoverinfo="text",
        name="震中 · epicentre",
        showlegend=col == 1,
        row=1,
        col=col,
    )
