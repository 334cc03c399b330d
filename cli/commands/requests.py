"""`xuelian request`: urgent requests through the gateway: new, show, amend, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.bilingual_choices import choose
from cli.output import JsonOption, Output
from cli.repeat_command import KeyOption
from deploy.local.exit_codes import ExitCode

app = typer.Typer(no_args_is_help=True, help="紧急用血 · Urgent: new, list, show, amend, cancel.")

WaitOption = Annotated[int, typer.Option(min=0, max=30, help="等决定的秒数 · seconds to wait")]
SexOption = Annotated[
    str | None,
    typer.Option(help="性别：女、男 · female, male", callback=choose("female", "male")),
]
AgeOption = Annotated[int | None, typer.Option(help="年龄 · age in years")]
AgeEstimatedOption = Annotated[
    bool, typer.Option("--age-estimated", help="年龄是估计的 · the age is an estimate")
]
BasisOption = Annotated[
    str | None, typer.Option(help="怎么定的 · one_sample, two_samples, historical")
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option("--attribute", "-a", help="血液须有，如 irradiated · demanded"),
]


@app.command()
def new(
    context: typer.Context,
    *,
    hospital: Annotated[
        str | None, typer.Option(help="医院；医院密钥可省 · with a dispatcher's key")
    ] = None,
    need: Annotated[
        list[str] | None,
        typer.Option("--need", "-n", help="成分=数量（U），可多次 · component=quantity in U"),
    ] = None,
    packs: Annotated[int, typer.Option(help="大量输血包 · MTP packs")] = 0,
    reference: Annotated[
        str | None, typer.Option(help="医院给患者的代号，不写姓名 · the patient's pseudonym")
    ] = None,
    group: Annotated[str | None, typer.Option(help="患者血型，未知则省 · such as A+")] = None,
    basis: BasisOption = None,
    sex: SexOption = None,
    age: AgeOption = None,
    age_estimated: AgeEstimatedOption = False,
    antibody: Annotated[
        list[str] | None, typer.Option(help="患者抗体，可多次 · antibodies")
    ] = None,
    attribute: AttributeOption = None,
    priority: Annotated[
        str,
        typer.Option(
            help="危及生命、紧急、常规 · life_threatening, urgent, routine",
            callback=choose("life_threatening", "urgent", "routine"),
        ),
    ] = "urgent",
    within_h: Annotated[
        float,
        typer.Option("--within", min=0, max=8760, help="几小时内送到 · hours"),
    ] = 2.0,
    needed_by: Annotated[
        str | None,
        typer.Option(help="最晚送达，带时区，代替 --within · instant, instead of --within"),
    ] = None,
    note: Annotated[str, typer.Option(help="备注 · a note")] = "",
    file: Annotated[
        Path | None,
        typer.Option(help="整份 JSON，- 为标准输入 · the body"),
    ] = None,
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""提出申请并显示决定 · Ask for blood and show the decision.

    系统提出方案并预留；不替代交叉配血，也不替代血站的法定放行。
    It proposes and reserves; it replaces neither the crossmatch nor the station's legal release.

    例 · Examples:
      xuelian request new --hospital dingri-county --reference case-118 --group A+ \
        -n red_cells=4 --within 6
      xuelian request new --packs 1 --sex female --age 34 --priority life_threatening --within 1
      xuelian request new --file request.json --json
    """
    from cli import request_opening  # noqa: PLC0415 - heavy imports stand in the commands

    asked = request_opening.Asked(
        hospital=hospital,
        needs=tuple(need or ()),
        packs=packs,
        reference=reference,
        group=group,
        basis=basis,
        sex=sex,
        age=age,
        age_estimated=age_estimated,
        antibodies=tuple(antibody or ()),
        attributes=tuple(attribute or ()),
        priority=priority,
        within_h=within_h,
        needed_by=needed_by,
        note=note,
    )
    if file is None and not need and not packs:
        raise typer.BadParameter(
            "要写 --need、--packs 或 --file · give --need, --packs or --file", param_hint="--need"
        )
    if file is not None:
        _ensure_alone(context)
    out = Output(as_json=as_json)
    answer = request_opening.send_request(
        asked, file=file, wait_s=wait, key=idempotency_key, out=out
    )
    finish(out, answer)


_BESIDE_FILE = frozenset({"request_id", "file", "wait", "idempotency_key", "as_json"})


def _ensure_alone(context: typer.Context) -> None:
    """Refuse options beside a file: the file is the whole request, and they would be lost."""
    for param in context.command.params:
        source = context.get_parameter_source(param.name or "")
        is_written = source is not None and source.name == "COMMANDLINE"
        if is_written and param.name not in _BESIDE_FILE:
            raise typer.BadParameter(
                "写了 --file 就写进文件里 · does not go with --file: put it into the file",
                param_hint=max(param.opts, key=len),
            )


@app.command("list")
def list_(
    *,
    state: Annotated[
        list[str] | None,
        typer.Option("--status", help="open, reserved…，可多次 · repeatable"),
    ] = None,
    hospital: Annotated[str | None, typer.Option(help="只看一家医院 · of one hospital")] = None,
    station: Annotated[str | None, typer.Option(help="只看一个血站 · of one station")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="最多几份 · at most")] = 50,
    as_json: JsonOption = False,
) -> None:
    """列出申请，最新在前 · List requests, newest first.

    例 · Example:
      xuelian request list --status open
    """
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.overview import print_requests  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    params = {"status": state, "hospital_id": hospital, "station_id": station, "limit": limit}
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", "/v1/requests", params=params)
    out = Output(as_json=as_json)
    out.document(answer)
    if not as_json:
        print_requests(out, answer["requests"], title="申请 · requests")


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一份申请及其经过 · Show one request and its timeline.

    例 · Example:
      xuelian request show 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
    """
    from cli.decisions import print_request  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", f"/v1/requests/{request_id}")
    out.document(answer)
    print_request(out, answer)


@app.command()
def amend(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)],
    *,
    need: Annotated[
        list[str] | None,
        typer.Option("--need", "-n", help="成分=数量（U），全部写出 · in U, all of them"),
    ] = None,
    packs: Annotated[
        int | None, typer.Option(help="再加几个大量输血包 · so many MTP packs more")
    ] = None,
    group: Annotated[str | None, typer.Option(help="患者血型 · the patient's group")] = None,
    basis: BasisOption = None,
    sex: SexOption = None,
    age: AgeOption = None,
    age_estimated: AgeEstimatedOption = False,
    antibody: Annotated[
        list[str] | None, typer.Option(help="加上的抗体，可多次 · antibodies to add")
    ] = None,
    attribute: AttributeOption = None,
    priority: Annotated[
        str | None,
        typer.Option(
            help="危及生命、紧急、常规 · life_threatening, urgent, routine",
            callback=choose("life_threatening", "urgent", "routine"),
        ),
    ] = None,
    within_h: Annotated[
        float | None,
        typer.Option("--within", min=0, max=8760, help="几小时内送到 · hours from now"),
    ] = None,
    needed_by: Annotated[
        str | None, typer.Option(help="最晚送达，带时区 · instant, instead of --within")
    ] = None,
    note: Annotated[str | None, typer.Option(help="备注 · a note")] = None,
    clinician: Annotated[
        str | None, typer.Option(help="紧急放行：负责的医师 · emergency release: by whom")
    ] = None,
    release_reason: Annotated[
        str | None, typer.Option(help="紧急放行：为什么 · why it is released")
    ] = None,
    passes: Annotated[
        list[str] | None, typer.Option(help="越过什么，不写即抗体 · antibodies, special_needs")
    ] = None,
    withdraw_release: Annotated[
        bool, typer.Option("--withdraw-release", help="收回紧急放行 · take the release back")
    ] = False,
    file: Annotated[
        Path | None, typer.Option(help="改动的 JSON，- 为标准输入 · what changes")
    ] = None,
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """更改申请；没有写的保持原样 · Amend a request; what is not written stays.

    --need 要写全，没写的行不再要；抗体只加不减，撤回用 xuelian patient correct 或 --file。
    --need states all lines, and one that is left out is asked for no more; antibodies are only
    added: they are withdrawn by a correction (xuelian patient correct, or --file).

    例 · Examples:
      xuelian request amend 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --group A+ --basis two_samples
      xuelian request amend 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 -n red_cells=6 --within 1
      xuelian request amend 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --priority life_threatening \
        --clinician "Dr Tashi" --release-reason 大出血 --passes antibodies
    """
    from cli import request_amendment, request_opening  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same
    from streams.clock import parse_clock  # noqa: PLC0415 - the same

    if file is not None:
        _ensure_alone(context)
        body = request_opening.read_json_file(file)
    else:
        settings = load_settings()
        amended = request_amendment.Amended(
            needs=tuple(need or ()),
            packs=packs,
            group=group,
            basis=basis,
            sex=sex,
            age=age,
            age_estimated=age_estimated,
            antibodies=tuple(antibody or ()),
            attributes=tuple(attribute or ()),
            priority=priority,
            within_h=within_h,
            needed_by=needed_by,
            note=note,
            clinician=clinician,
            release_reason=release_reason,
            passes=tuple(passes or ()),
            withdraw_release=withdraw_release,
        )
        body = amended.to_body(settings, now=parse_clock(settings.clock).now())
    if not body:
        raise typer.BadParameter(
            "没有写要改什么 · say what changes, such as --group", param_hint="--group"
        )
    out = Output(as_json=as_json)
    answer = request_opening.send_amendment(
        request_id, body, wait_s=wait, key=idempotency_key, out=out
    )
    finish(out, answer)


@app.command()
def confirm(
    request_id: Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)],
    *,
    by: Annotated[str, typer.Option(help="谁确认 · who confirms", prompt="谁确认 · who")],
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """确认数量无误、并非重复；被问回的部分随即预留 · Confirm that so much is meant.

    例 · Example:
      xuelian request confirm 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --by 扎西医生
    """
    from cli import request_opening  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = request_opening.send_confirmation(
        request_id, by=by, wait_s=wait, key=idempotency_key, out=out
    )
    finish(out, answer)


@app.command()
def cancel(
    request_id: Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)],
    *,
    reason: Annotated[str, typer.Option(help="为什么 · why", prompt="原因 · reason")],
    wait: WaitOption = 5,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """取消申请；已预留而未发出的退回 · Cancel; what is reserved and not issued goes back.

    例 · Example:
      xuelian request cancel 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --reason 已转院
    """
    from cli import request_opening  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = request_opening.send_cancellation(
        request_id, reason=reason, wait_s=wait, key=idempotency_key, out=out
    )
    finish(out, answer)


def finish(out: Output, answer: dict[str, Any]) -> None:
    """Print the answer to what was sent about a request; a refused one fails."""
    from cli.decisions import print_request  # noqa: PLC0415 - heavy imports stand in the commands

    out.document(answer)
    print_request(out, answer)
    for warning in answer.get("warnings", ()):
        out.say(f"[yellow]![/] {warning['zh']} · {warning['en']}")
    if answer.get("status") == "refused":
        raise typer.Exit(ExitCode.FAILED)
