"""`xuelian figures`: the figures that stations report, with the rules that define them."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import JsonOption, Output


def figures(
    *,
    station: Annotated[
        str | None, typer.Option(help="血站，省略为全部 · one station; else all")
    ] = None,
    day_from: Annotated[
        str | None, typer.Option("--from", help="首日，如 2025-01-01 · first day")
    ] = None,
    day_until: Annotated[
        str | None, typer.Option("--until", help="末日的次日 · first day after it")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """上报指标：安全库存率、检测覆盖率 · The safe-stock rate and the testing coverage.

    各站定义不同，上报前须确认 · Stations define them differently; confirm before reporting.

    例 · Examples:
      xuelian figures --station shigatse
      xuelian figures --station shigatse --from 2025-01-01 --until 2026-01-01 --json
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.reports import print_figures  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    params = {"station_id": station, "day_from": day_from, "day_until": day_until}
    with GatewayClient(load_settings(), wait_s=20) as gateway:
        answer = gateway.call("GET", "/v1/figures", params=params)
    out = Output(as_json=as_json)
    out.document(answer)
    print_figures(out, answer)
