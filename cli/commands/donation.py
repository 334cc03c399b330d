"""`xuelian donation`: results, splitting, recall, and everything known of one donation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JsonOption, Output
from cli.repeat_command import AtOption, KeyOption

if TYPE_CHECKING:
    from cli.send_and_wait import Act

app = typer.Typer(no_args_is_help=True, help="献血 · Donations: show, results, split, recall.")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]
DonationArgument = Annotated[str, typer.Argument(help="献血编号 · donation id", show_default=False)]
FileOption = Annotated[
    Path,
    typer.Option("--file", help="JSON，- 为标准输入 · the body", show_default=False),
]


@app.command()
def show(donation_id: DonationArgument, *, as_json: JsonOption = False) -> None:
    """显示血袋、结果、召回和受血申请 · Show units, results, recalls and who received.

    例 · Example:
      xuelian donation show W1234-25-000017
    """
    from cli.donations import print_donation  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _call("GET", f"/v1/donations/{donation_id}")
    out.document(answer)
    print_donation(out, answer)


@app.command()
def results(
    station: StationArgument,
    donation_id: DonationArgument,
    *,
    file: FileOption,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """报告检验结果；全部合格即放行本站有过的血袋 · Report results; clear ones release your bags.

    文件 · The file: {"results": [{"result_id": …, "test": "hbsag", "outcome": "nonreactive", …}]}

    例 · Example:
      xuelian donation results shigatse W1234-25-000017 --file results.json
    """
    from cli.request_opening import read_json_file  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.send_and_wait import Act  # noqa: PLC0415 - heavy imports stand in the commands

    act = Act(key=idempotency_key)
    path = f"/v1/stations/{station}/donations/{donation_id}/results"
    _send(path, donation_id, read_json_file(file), act=act, as_json=as_json)


@app.command()
def split(
    station: StationArgument,
    donation_id: DonationArgument,
    *,
    file: FileOption,
    at: AtOption = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """记录全血分离 · Record what was made of a bag of whole blood.

    文件 · The file: {"unit_id": …, "components": [{"unit_id": …, "component": …, "volume_ml": …}]}

    例 · Example:
      xuelian donation split shigatse W1234-25-000017 --file split.json
    """
    from cli.request_opening import read_json_file  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.send_and_wait import Act  # noqa: PLC0415 - heavy imports stand in the commands

    act = Act(key=idempotency_key, moment="split_at", at=at)
    path = f"/v1/stations/{station}/donations/{donation_id}/split"
    _send(path, donation_id, read_json_file(file), act=act, as_json=as_json)


@app.command()
def recall(
    station: StationArgument,
    donation_id: DonationArgument,
    *,
    reason: Annotated[
        str, typer.Option(help="为什么，不写献血者信息 · why", prompt="原因 · reason")
    ],
    by: Annotated[
        str, typer.Option(help="谁负责 · who answers for it", prompt="负责人 · recalled by")
    ],
    at: AtOption = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """召回：冻结全部血袋并通知持有者 · Recall: freeze every unit and tell whoever holds one.

    例 · Example:
      xuelian donation recall shigatse W1234-25-000017 --reason "献血后告知" --by "质管科"
    """
    from cli.send_and_wait import Act  # noqa: PLC0415 - heavy imports stand in the commands

    body = {"reason": reason, "recalled_by": by}
    act = Act(key=idempotency_key, moment="recalled_at", at=at)
    settled = {"--reason": reason, "--by": by}
    path = f"/v1/stations/{station}/donations/{donation_id}/recall"
    _send(path, donation_id, body, act=act, settled=settled, as_json=as_json)


def _send(
    path: str,
    donation_id: str,
    body: dict[str, Any],
    *,
    act: Act,
    settled: Mapping[str, str] | None = None,
    as_json: bool,
) -> None:
    out = Output(as_json=as_json)
    from cli.send_and_wait import send_act  # noqa: PLC0415 - heavy imports stand in the commands

    send_act(
        path,
        body,
        out=out,
        what=f"查看 · see: xuelian donation show {donation_id}",
        act=act,
        settled=settled,
    )


def _call(method: str, path: str, *, json: object = None) -> dict[str, Any]:
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        return gateway.call(method, path, json=json)
