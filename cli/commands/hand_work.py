"""`xuelian hand`: what a dispatcher decides by hand of one bag, with who and why."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.requests import WaitOption, finish
from cli.output import JsonOption, Output
from cli.repeat_command import KeyOption

app = typer.Typer(
    no_args_is_help=True,
    help="手工：指定、收回、暂留血袋，终止召集和调拨 · By hand: bags, calls, transfers.",
)

RequestArgument = Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)]
UnitArgument = Annotated[str, typer.Argument(help="血袋编号 · unit id", show_default=False)]
ByOption = Annotated[
    str, typer.Option(help="谁决定的，写姓名 · who answers for it", prompt="何人 · by whom")
]
ReasonOption = Annotated[str, typer.Option(help="为什么 · why", prompt="原因 · reason")]


@app.command()
def give(
    request_id: RequestArgument,
    unit_id: UnitArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    line: Annotated[int, typer.Option(min=1, max=50, help="第几行 · which line")] = 1,
    instead_of: Annotated[
        str | None, typer.Option(help="换下同一行的哪一袋 · the bag that goes back for it")
    ] = None,
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""把这袋血给这位患者 · Give this bag to that patient.

    空闲的、或许给了更能等的申请而未拣的；安全内核照常判断。理由随预留可见，失去的一方也看得到。
    It is free, or promised to who can wait longer and not picked; the safety kernel judges as ever.
    The reason is seen with the promise, and by whoever loses the bag.

    例 · Examples:
      xuelian hand give 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 W1234-25-000017-RC \
        --by 次仁 --reason 患儿须最新鲜的血
      xuelian hand give 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 W1234-25-000017-RC --line 2 \
        --instead-of W1234-25-000018-RC --by 次仁 --reason 那袋要走山路
    """
    from cli import request_opening  # noqa: PLC0415 - heavy imports stand in the commands

    body = {"unit_id": unit_id, "line_no": line, "by": by, "reason": reason}
    if instead_of is not None:
        body["instead_of"] = instead_of
    out = Output(as_json=as_json)
    answer = request_opening.send_by_hand(
        f"{request_id}/bags",
        body,
        settled={"--by": by, "--reason": reason},
        wait_s=wait,
        key=idempotency_key,
        out=out,
    )
    finish(out, answer)


@app.command("take-back")
def take_back(
    request_id: RequestArgument,
    unit_id: UnitArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""收回预留而未拣的血袋；申请立即重新配血 · Take back a bag that is not picked.

    同一步里不再给它这袋；血袋回到库存，等着的申请随后可以得到。
    The request is matched again at once, without this bag in that step; the bag is stock again, and
    whoever waits may get it soon after.

    例 · Example:
      xuelian hand take-back 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 W1234-25-000017-RC \
        --by 次仁 --reason 袋面有渗漏
    """
    from cli import request_opening  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = request_opening.send_by_hand(
        f"{request_id}/bags/{unit_id}/take-back",
        {"by": by, "reason": reason},
        settled={"--by": by, "--reason": reason},
        wait_s=wait,
        key=idempotency_key,
        out=out,
    )
    finish(out, answer)


StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]


@app.command()
def hold(
    station: StationArgument,
    unit_id: UnitArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    until: Annotated[
        str | None, typer.Option(help="到何时为止，带时区；不写即到解除 · ends by itself then")
    ] = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""暂留一袋血：谁也不会得到它，直到解除或到时 · Hold a bag back from everybody.

    血袋留在原处；已许出而未拣的，失去它的申请立即重新配血并得知原因。
    The bag stays where it is; if it is promised and not picked, whoever loses it is matched again
    at once and told why.

    例 · Examples:
      xuelian hand hold shigatse W1234-25-000017-RC --by 次仁 --reason 袋面有渗漏
      xuelian hand hold shigatse W1234-25-000017-RC --until 2025-01-07T14:00+08:00 \
        --by 次仁 --reason 留给手术室
    """
    from cli.send_and_wait import Act, send_act  # noqa: PLC0415 - heavy imports stand in the commands

    body = {"unit_id": unit_id, "by": by, "reason": reason}
    if until is not None:
        body["until"] = until
    send_act(
        f"/v1/stations/{station}/holds",
        body,
        out=Output(as_json=as_json),
        what=f"暂留 · on hold: {unit_id}",
        act=Act(key=idempotency_key),
        settled={"--by": by, "--reason": reason},
    )


@app.command("end-hold")
def end_hold(
    station: StationArgument,
    unit_id: UnitArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """解除暂留；血袋又是库存 · End the hold of a bag: it is stock again.

    例 · Example:
      xuelian hand end-hold shigatse W1234-25-000017-RC --by 次仁 --reason 手术已取消
    """
    _say(
        f"/v1/stations/{station}/holds/{unit_id}/end",
        what=f"解除暂留 · hold ended: {unit_id}",
        by=by,
        reason=reason,
        key=idempotency_key,
        as_json=as_json,
    )


@app.command()
def holds(station: StationArgument, *, as_json: JsonOption = False) -> None:
    """列出暂留的血袋：何人、何故、到何时 · List the bags on hold: who, why, until when.

    例 · Example:
      xuelian hand holds shigatse
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.holds import print_holds  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", f"/v1/stations/{station}/holds")
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        print_holds(out, answer)


CauseArgument = Annotated[
    str,
    typer.Argument(help="起因：应急启动或短缺的编号 · activation or shortage", show_default=False),
]


@app.command("stand-down")
def stand_down(
    station: StationArgument,
    cause_id: CauseArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """终止一个起因的召集；未到站的献血者都被告知不必来 · Stand down the calls for one cause.

    别的起因还需要的献血者除外；此后不再为它召集，直到恢复或起因结束。
    Except donors whom another cause needs; nobody more is called for it until that is taken back or
    the cause ends.

    例 · Example:
      xuelian hand stand-down shigatse act-us6000pi9w-shigatse --by 次仁 --reason 血已够用
    """
    _say(
        f"/v1/stations/{station}/calls/{cause_id}/stand-down",
        what=f"召集已终止 · stood down: {cause_id}",
        by=by,
        reason=reason,
        key=idempotency_key,
        as_json=as_json,
    )


@app.command()
def resume(
    station: StationArgument,
    cause_id: CauseArgument,
    *,
    by: ByOption,
    reason: ReasonOption,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """恢复一个起因的召集，按现在的需要 · Call donors for a cause again, as it needs them now.

    例 · Example:
      xuelian hand resume shigatse act-us6000pi9w-shigatse --by 次仁 --reason 又有伤员送到
    """
    _say(
        f"/v1/stations/{station}/calls/{cause_id}/resume",
        what=f"召集已恢复 · resumed: {cause_id}",
        by=by,
        reason=reason,
        key=idempotency_key,
        as_json=as_json,
    )


@app.command("cancel-transfer")
def cancel_transfer(
    transfer_id: Annotated[str, typer.Argument(help="调拨编号 · transfer", show_default=False)],
    *,
    by: ByOption,
    reason: ReasonOption,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """终止调拨；没有发出的留在供血方 · Stand down a transfer: what has not left stays.

    例 · Example:
      xuelian hand cancel-transfer 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --by 次仁 --reason 道路中断
    """
    _say(
        f"/v1/transfers/{transfer_id}/stand-down",
        what=f"调拨已终止 · stood down: {transfer_id}",
        by=by,
        reason=reason,
        key=idempotency_key,
        as_json=as_json,
    )


def _say(path: str, *, what: str, by: str, reason: str, key: str | None, as_json: bool) -> None:
    from cli.send_and_wait import Act, send_act  # noqa: PLC0415 - heavy imports stand in the commands

    send_act(
        path,
        {"by": by, "reason": reason},
        out=Output(as_json=as_json),
        what=what,
        act=Act(key=key),
        settled={"--by": by, "--reason": reason},
    )
