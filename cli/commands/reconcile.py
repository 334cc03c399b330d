"""`xuelian stock reconcile`: list, show and close the differences that stock counts left open."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.output import JsonOption, Output
from cli.repeat_command import AtOption, KeyOption

app = typer.Typer(no_args_is_help=True, help="盘点差异 · Differences of counts: list, show, close.")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]
CountArgument = Annotated[str, typer.Argument(help="盘点编号 · count id", show_default=False)]
Kind = Literal["missing", "moved", "differs", "status"]
KindOption = Annotated[Kind | None, typer.Option(help="只看一类 · of one kind")]


@app.command("list")
def list_(station: StationArgument, *, as_json: JsonOption = False) -> None:
    """列出盘点及其待处理的差异 · List counts and what each left open.

    例 · Example:
      xuelian stock reconcile list shigatse
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.reports import print_counts  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", f"/v1/stations/{station}/reconciliations")
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        print_counts(out, answer)


@app.command()
def show(
    station: StationArgument,
    count_id: CountArgument,
    *,
    kind: KindOption = None,
    closed: Annotated[bool, typer.Option(help="也列出已处理的 · closed ones too")] = False,
    as_json: JsonOption = False,
) -> None:
    """显示一次盘点的差异，先列危及患者的 · Show the differences, what endangers a patient first.

    例 · Examples:
      xuelian stock reconcile show shigatse 5f1d7c0a-7c1e-5d4e-9a36-0e6f4c1b2d38
      xuelian stock reconcile show shigatse 5f1d7c0a-7c1e-5d4e-9a36-0e6f4c1b2d38 --kind missing
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.reports import print_count  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    params = {"kind": kind, "closed": closed, "limit": 5000}
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call(
            "GET", f"/v1/stations/{station}/reconciliations/{count_id}", params=params
        )
    out = Output(as_json=as_json)
    out.document(answer)
    print_count(out, answer)


@app.command()
def close(
    station: StationArgument,
    count_id: CountArgument,
    unit_ids: Annotated[
        list[str] | None,
        typer.Argument(help="哪几袋，省略则用 --kind · which units; else all of --kind"),
    ] = None,
    *,
    resolution: Annotated[
        Literal["discarded", "issued", "moved_here", "record_stands"],
        typer.Option(
            "--as",
            help="报废、已发出、移到本站、以记录为准 · what became of them",
            show_default=False,
        ),
    ],
    reason: Annotated[str, typer.Option(help="依据，写入审计 · why", prompt="依据 · reason")],
    kind: KindOption = None,
    at: AtOption = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""由血站确认差异如何处理；全部成功或全部不变 · Say what became of the units: all, or none.

    已预留的未盘到血液报废或发出后，申请重新配血。
    A request whose reserved unit is closed as discarded is decided again.

    例 · Examples:
      xuelian stock reconcile close shigatse 5f1d7c0a-7c1e-5d4e-9a36-0e6f4c1b2d38 W1-1 W1-2 \
        --as discarded --reason 破袋
      xuelian stock reconcile close shigatse 5f1d7c0a-7c1e-5d4e-9a36-0e6f4c1b2d38 \
        --kind missing --as issued --reason 停电期间手工发血
    """
    from cli.send_and_wait import Act, send_act  # noqa: PLC0415 - heavy imports stand in the commands

    if not unit_ids and kind is None:
        raise typer.BadParameter(
            "写出血袋号或 --kind · name units, or --kind", param_hint="UNIT_IDS"
        )
    body = {
        "unit_ids": unit_ids or [],
        "kind": kind,
        "resolution": resolution,
        "reason": reason,
    }
    send_act(
        f"/v1/stations/{station}/reconciliations/{count_id}/close",
        body,
        out=Output(as_json=as_json),
        what=f"查看 · see: xuelian stock reconcile show {station} {count_id}",
        act=Act(key=idempotency_key, moment="closed_at", at=at),
        settled={"--reason": reason},
    )
