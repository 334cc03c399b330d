"""The colours and the layout that all plots share."""

from __future__ import annotations

from typing import Any

INK, MUTED, GRID, PAPER = "#1f2937", "#6b7280", "#e5e7eb", "#ffffff"
BLOOD, GOLD, SKY, LEAF, PLUM = "#b3202c", "#d98e04", "#2b6cb0", "#2f855a", "#6b46c1"

GROUPS = {"O+": BLOOD, "A+": SKY, "B+": LEAF, "AB+": PLUM, "Rh−": "#374151"}
SOURCES = {
    "stock": (SKY, "本站库存 · own shelf"),
    "donor": (BLOOD, "应急献血者 · donors called"),
    "neighbour": (LEAF, "邻站 · neighbours"),
}
KINDS = {
    "alert": (BLOOD, "预警 · alerts"),
    "activation": (PLUM, "响应 · activations"),
    "wave": (SKY, "呼叫 · call-outs"),
    "shortage": (GOLD, "短缺 · shortages"),
    "transfer": (LEAF, "调剂 · transfers"),
    "request": (MUTED, "申请 · requests"),
}

_FONT = "'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',system-ui,sans-serif"


AXIS = {"gridcolor": GRID, "zeroline": False, "linecolor": GRID, "automargin": True}
HOURS = {"tickformat": "%H:%M\n%m-%d"}


def layout(height: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - plotly's own nested dicts
    """Return the shared layout with changes."""
    return {
        "height": height,
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "font": {"family": _FONT, "size": 13, "color": INK},
        "margin": {"l": 56, "r": 24, "t": 40, "b": 48},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": dict(AXIS),
        "yaxis": dict(AXIS),
        "hoverlabel": {"font": {"family": _FONT}},
        **changes,
    }
