"""The page of the report: figures and plots put into the template, with everything inlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from demo.actor_context import DrillStage
from demo.donation_outcomes import count_steps
from demo.live_view import CHINA
from demo.played_day import PlayedDay
from demo.report.plots import (
    plot_donors,
    plot_latency,
    plot_stock,
    plot_timeline,
    plot_units,
)
from demo.report.region import plot_map
from demo.results import Figure, describe_unit, list_waiting, read_texts
from demo.unserved import describe_lever
from models.doses import WHOLE
from models.texts.words import name_field, name_value

_TILES = (
    "requests_lost",
    "promised_twice",
    "latency_p50",
    "units_delivered",
    "nagqu_staff_ml",
    "units_transferred",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A plot with its heading and a note on how to read it."""

    zh: str
    en: str
    note_zh: str
    note_en: str
    plot: str


def write_report(
    path: Path, day: PlayedDay, *, figures: Sequence[Figure], started_at: datetime
) -> None:
    """Write the page; it needs no network.

    Args:
        path: File to write.
        day: The day as it was observed and judged.
        figures: Every check and figure.
        started_at: When the run began, real time.
    """
    stage, verdict = day.stage, day.verdict
    by_name = {figure.name: figure for figure in figures}
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["unit"] = describe_unit
    environment.filters["named"] = name_value
    environment.filters["field"] = _name_field
    template = environment.from_string(
        files("demo.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    )
    page = template.render(
        scenario=stage.scenario,
        started_at=started_at.astimezone(CHINA),
        tiles=[(by_name[name], *by_name[name].title.split(" · ", 1)) for name in _TILES],
        checks=[figure for figure in figures if figure.goal is not None],
        told=[figure for figure in figures if figure.goal is None],
        holds=all(figure.holds for figure in figures),
        failed=verdict.list_failed(),
        read=verdict.read,
        sections=_list_sections(stage),
        moments=stage.board.moments,
        lives=day.lives,
        unserved=day.unserved,
        hindsight=day.hindsight,
        whole=WHOLE,
        name_of=stage.scenario.get_names,
        describe_lever=partial(describe_lever, stage, texts=read_texts()["levers"]),
        steps=count_steps(day.lives),
        look_back=stage.board.look_back,
        waiting=list_waiting(stage),
        quarantined=stage.board.quarantined,
        quarantined_others=stage.board.quarantined_others,
        donors=len(stage.donors),
        units=len(stage.stock),
        china=CHINA,
        plotly_js=get_plotlyjs(),
    )
    path.write_text(page, encoding="utf-8")


def _name_field(name: str) -> str:
    known = name_field(name)
    return f"{name}（{known}）" if known else name


def _list_sections(stage: DrillStage) -> list[Section]:
    plots = {
        "map": plot_map,
        "timeline": plot_timeline,
        "stock": plot_stock,
        "units": plot_units,
        "donors": plot_donors,
        "latency": plot_latency,
    }
    texts = read_texts()["sections"]
    return [Section(**texts[name], plot=_to_html(plot(stage))) for name, plot in plots.items()]


def _to_html(figure: go.Figure) -> str:
    text: str = figure.to_html(
        include_plotlyjs=False,
        full_html=False,
        config={"displaylogo": False, "responsive": True, "displayModeBar": False},
    )
    return text
