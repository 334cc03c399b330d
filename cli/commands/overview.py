"""`xuelian status`, and the lists beside it: calls, transfers, activations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from cli.output import JsonOption, Output

call_outs = typer.Typer(no_args_is_help=True, help="召集献血者 · Calls of donors: list, show.")
transfers = typer.Typer(no_args_is_help=True, help="站间调拨 · Transfers: list, show.")
activations = typer.Typer(no_args_is_help=True, help="应急启动 · Activations: list, show.")

StationOption = Annotated[str | None, typer.Option(help="只看一个血站 · of one station")]


def status(*, as_json: JsonOption = False) -> None:
    """现在的情况，最严重的在前 · What is going on right now, worst first.

    例 · Example:
      xuelian status
    """
    from cli.overview import print_overview  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _get("/v1/overview")
    out.document(answer)
    print_overview(out, answer)


@call_outs.command("list")
def list_calls(
    station: Annotated[str, typer.Argument(help="血站 · station", show_default=False)],
    *,
    state: Annotated[
        list[str] | None,
        typer.Option("--status", help="called, accepted, arrived…，可多次 · repeatable"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """列出召集，最新在前 · List calls, newest first.

    例 · Example:
      xuelian call-outs list shigatse --status called --status accepted
    """
    from cli.overview import print_calls  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _get(f"/v1/stations/{station}/call-outs", status=state)
    out.document(answer)
    if not as_json:
        print_calls(out, answer["call_outs"])
        for stop in answer["stood_down"]:
            out.say(
                f"[yellow]![/] {stop['cause_id']}: 召集已终止 · stood down: "
                f"{stop['by']}, {stop['reason']}"
            )


@call_outs.command("show")
def show_call(
    call_out_id: Annotated[str, typer.Argument(help="召集编号 · call-out", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一次召集 · Show one call.

    例 · Example:
      xuelian call-outs show 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
    """
    from cli.fields import print_fields  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _get(f"/v1/call-outs/{call_out_id}")
    out.document(answer)
    if not as_json:
        print_fields(out, answer)


@transfers.command("list")
def list_transfers(
    *,
    station: StationOption = None,
    state: Annotated[
        Literal["agreed", "in_transit", "completed", "cancelled"] | None,
        typer.Option("--status", help="状态 · status"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """列出调拨，最新在前 · List transfers, newest first.

    例 · Example:
      xuelian transfers list --status in_transit
    """
    from cli.overview import print_transfers  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _get("/v1/transfers", station_id=station, status=state)
    out.document(answer)
    if not as_json:
        print_transfers(out, answer["transfers"])


@transfers.command("show")
def show_transfer(
    transfer_id: Annotated[str, typer.Argument(help="调拨编号 · transfer", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一次调拨及其血袋 · Show one transfer and its units.

    例 · Example:
      xuelian transfers show 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
    """
    _show("/v1/transfers", "transfers", "transfer_id", transfer_id, as_json=as_json)


@activations.command("list")
def list_activations(
    *,
    station: StationOption = None,
    state: Annotated[
        Literal["open", "stood_down"] | None, typer.Option("--status", help="状态 · status")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """列出应急启动，最新在前，演练另列 · List activations, newest first, exercises apart.

    例 · Example:
      xuelian activations list --status open
    """
    from cli.overview import print_activations  # noqa: PLC0415 - heavy imports stand in commands

    out = Output(as_json=as_json)
    answer = _get("/v1/activations", station_id=station, status=state)
    out.document(answer)
    if not as_json:
        print_activations(out, [*answer["activations"], *answer["exercises"]])


@activations.command("show")
def show_activation(
    activation_id: Annotated[str, typer.Argument(help="编号 · activation", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一次应急启动 · Show one activation.

    例 · Example:
      xuelian activations show 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
    """
    _show("/v1/activations", "activations", "activation_id", activation_id, as_json=as_json)


MOST_LOOKED_AT = 500
"""The gateway lists this many at most; an older record is not found here."""


def _show(path: str, rows_in: str, identity: str, wanted: str, *, as_json: bool) -> None:
    from cli.fields import print_fields  # noqa: PLC0415 - heavy imports stand in the commands
    from models.errors import DomainRefusal  # noqa: PLC0415 - the same

    answer = _get(path, limit=MOST_LOOKED_AT)
    rows = [*answer[rows_in], *answer.get("exercises", ())]
    row = next((row for row in rows if row[identity] == wanted), None)
    if row is None:
        raise DomainRefusal("not_in_list", wanted=wanted, command=f"xuelian {rows_in} list")
    out = Output(as_json=as_json)
    out.document(row)
    if not as_json:
        # `open` of an activation does not mean a request that waits.
        print_fields(out, row, words={"open": "进行中 · open"})


def _get(path: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - query parameters
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        return gateway.call("GET", path, params=params)
