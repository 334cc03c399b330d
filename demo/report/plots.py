"""The plots of a day, each a plotly figure made from the board. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from math import log10

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from demo.actor_context import DrillStage
from demo.day_record import percentile
from demo.live_view import CHINA
from demo.report.style import AXIS, BLOOD, GROUPS, HOURS, INK, KINDS, MUTED, SKY, SOURCES, layout
from demo.results import find_source

_WAYS = {
    "http": (SKY, "HTTP（同一次调用）· HTTP, one call"),
    "kafka": (BLOOD, "Kafka 直连 · Kafka"),
}


_TICKS_MS = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]


def local(at: datetime) -> datetime:
    """Return the local time of China without a zone, because plotly would convert it otherwise."""
    return at.astimezone(CHINA).replace(tzinfo=None)


def plot_latency(stage: DrillStage) -> go.Figure:
    """Plot the share of requests that were decided within so many real milliseconds."""
    figure = go.Figure(layout=layout(360))
    for way, (colour, label) in _WAYS.items():
        ms = sorted(stage.board.list_ms(way))
        if not ms:
            continue
        shares = [(rank + 1) / len(ms) * 100 for rank in range(len(ms))]
        figure.add_scatter(
            x=ms,
            y=shares,
            mode="lines+markers",
            line={"shape": "hv", "color": colour, "width": 2},
            marker={"size": 4},
            name=f"{label}：{len(ms)}",
        )
    everything = stage.board.list_ms()
    for share, name in ((0.5, "p50"), (0.99, "p99")) if everything else ():
        value = percentile(everything, share)
        figure.add_vline(x=value, line={"color": INK, "dash": "dot", "width": 1})
        # On a logarithmic axis an annotation is placed by the logarithm, a line by the value.
        figure.add_annotation(
            x=log10(value), y=1, yref="paper", yanchor="bottom", showarrow=False,
            text=f"{name} {value:.0f} ms",
        )  # fmt: skip
    figure.update_layout(legend={"x": 0.99, "xanchor": "right", "y": 0.05, "yanchor": "bottom"})
    figure.update_xaxes(
        type="log", tickvals=_TICKS_MS, title="真实毫秒（对数）· real milliseconds, log scale"
    )
    figure.update_yaxes(title="已决定 · decided, %", range=[0, 103])
    return figure


def plot_stock(stage: DrillStage) -> go.Figure:
    """Plot the red cells on each shelf over the day, per group."""
    stations = [station.station_id for station in stage.scenario.stations]
    titles = [" · ".join(stage.scenario.get_names(name)) for name in stations]
    figure = make_subplots(
        rows=2, cols=2, subplot_titles=titles, shared_xaxes=True, vertical_spacing=0.1
    )
    for at, station_id in enumerate(stations):
        samples = [sample for sample in stage.board.stock if sample.station_id == station_id]
        for group, colour in GROUPS.items():
            figure.add_scatter(
                x=[local(sample.at) for sample in samples],
                y=[_count(sample.by_group, group) for sample in samples],
                mode="lines",
                line={"color": colour, "width": 2, "shape": "hv"},
                name=group,
                legendgroup=group,
                showlegend=at == 0,
                row=at // 2 + 1,
                col=at % 2 + 1,
            )
    figure.update_layout(layout(560, legend={"orientation": "h", "y": 1.06, "yanchor": "bottom"}))
    figure.update_xaxes(**AXIS, **HOURS)
    figure.update_yaxes(**AXIS, rangemode="tozero")
    figure.update_yaxes(title="袋 · bags", col=1)
    figure.add_vline(
        x=local(stage.scenario.event.occurred_at), line={"color": BLOOD, "dash": "dot", "width": 1}
    )
    return figure


def _count(by_group: dict[str, int], group: str) -> int:
    if group != "Rh−":
        return by_group.get(group, 0)
    return sum(units for name, units in by_group.items() if name.endswith("-"))


def plot_units(stage: DrillStage) -> go.Figure:
    """Plot the units delivered per hospital, by their source."""
    counts: dict[str, Counter[str]] = {
        hospital.hospital.hospital_id: Counter() for hospital in stage.scenario.hospitals
    }
    for unit_id, hospital_id in stage.board.received.items():
        counts[hospital_id][find_source(stage, unit_id)] += 1
    names = ["<br>".join(hospital.short) for hospital in stage.scenario.hospitals]
    figure = go.Figure(layout=layout(360, barmode="stack"))
    for source, (colour, label) in SOURCES.items():
        figure.add_bar(
            x=names,
            y=[
                counts[hospital.hospital.hospital_id][source]
                for hospital in stage.scenario.hospitals
            ],
            name=label,
            marker={"color": colour},
        )
    figure.update_yaxes(title="送达的血袋 · bags delivered")
    return figure


def plot_donors(stage: DrillStage) -> go.Figure:
    """Plot the outcomes of the calls, per station."""
    labels = {
        "donated": ("已献 · donated", BLOOD),
        "deferred": ("暂缓 · deferred", "#d97706"),
        "no_show": ("未到 · no show", "#9ca3af"),
        "declined": ("婉拒 · declined", "#cbd5e1"),
        "no_answer": ("未接 · no answer", "#e2e8f0"),
        "stood_down": ("撤呼 · stood down", SKY),
    }
    counted = stage.board.count_calls()
    stations = [
        station.station_id for station in stage.scenario.stations if station.station_id in counted
    ]
    figure = go.Figure(layout=layout(300, barmode="stack"))
    known = set(labels)
    for status, (label, colour) in labels.items():
        figure.add_bar(
            y=[" · ".join(stage.scenario.get_names(name)) for name in stations],
            x=[counted[name][status] for name in stations],
            orientation="h",
            name=label,
            marker={"color": colour},
        )
    pending = [sum(n for key, n in counted[name].items() if key not in known) for name in stations]
    if any(pending):
        figure.add_bar(
            y=[" · ".join(stage.scenario.get_names(name)) for name in stations],
            x=pending,
            orientation="h",
            name="未了 · open",
            marker={"color": MUTED},
        )
    figure.update_xaxes(title="呼叫 · calls")
    return figure


def plot_timeline(stage: DrillStage) -> go.Figure:
    """Plot the moments of the story by kind; below, published casualties and donations wanted."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.08
    )
    for kind, (colour, label) in KINDS.items():
        moments = [moment for moment in stage.board.moments if moment.kind == kind]
        figure.add_scatter(
            x=[local(moment.at) for moment in moments],
            y=[label] * len(moments),
            mode="markers",
            marker={"color": colour, "size": 11, "opacity": 0.75},
            text=[
                f"{local(moment.at):%m-%d %H:%M}<br>{moment.zh}<br>{moment.en}"
                for moment in moments
            ],
            hoverinfo="text",
            showlegend=False,
            row=1,
            col=1,
        )  # fmt: skip
    for name, points, colour in _list_steps(stage):
        figure.add_scatter(
            x=[local(at) for at, _ in points],
            y=[value for _, value in points],
            mode="lines+markers",
            line={"shape": "hv", "color": colour, "width": 2},
            marker={"size": 5},
            name=name,
            row=2,
            col=1,
        )
    figure.update_layout(layout(560, legend={"orientation": "h", "y": 0.36, "yanchor": "bottom"}))
    figure.add_vline(
        x=local(stage.scenario.event.occurred_at), line={"color": BLOOD, "dash": "dot", "width": 1}
    )
    figure.update_xaxes(**AXIS, **HOURS)
    figure.update_yaxes(**AXIS)
    figure.update_yaxes(autorange="reversed", row=1)
    figure.update_yaxes(title="人 · people", rangemode="tozero", row=2)
    return figure


Points = list[tuple[datetime, int]]


def _list_steps(stage: DrillStage) -> list[tuple[str, Points, str]]:
    """List the steps of the published casualties, and of the total of donations wanted."""
    reported = [
        (revision.sent_at, revision.casualties)
        for revision in stage.scenario.alerts.revision
        if revision.casualties is not None and revision.sent_at <= stage.clock.now()
    ]
    wanted: Points = []
    now_wanted: dict[str, int] = {}
    for activation in sorted(
        stage.board.activation_steps, key=lambda activation: activation.decided_at
    ):
        now_wanted[activation.station_id] = activation.donors_wanted
        wanted.append((activation.decided_at, sum(now_wanted.values())))
    return [
        (
            "公布的伤者 · injured, published",
            [
                (at, casualties.injured)
                for at, casualties in reported
                if casualties.injured is not None
            ],
            "#d98e04",
        ),
        (
            "公布的遇难者 · dead, published",
            [(at, casualties.dead) for at, casualties in reported if casualties.dead is not None],
            MUTED,
        ),
        ("计划献血人次 · donations wanted", wanted, BLOOD),
    ]
