"""`xuelian donor`: the register of emergency donors, read and changed by their own station."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.bilingual_choices import choose
from cli.output import JsonOption, Output, add_rows, build_table, show_expiry, show_instant

app = typer.Typer(no_args_is_help=True, help="献血者名册 · Donors: import, list, show, set.")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]
DonorArgument = Annotated[str, typer.Argument(help="献血者编号 · number", show_default=False)]
Until = Annotated[
    str | None,
    typer.Option(
        help="到哪天为止（北京时间），或带时区的时间；none 表示已无 · "
        "last day in Beijing's time, or an instant; none ends it"
    ),
]
_PAGE = 1000
_ENDED = "none"


@app.command("import")
def import_(
    station: StationArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help=".csv .xlsx .xls .ods .json", show_default=False, exists=True, dir_okay=False
        ),
    ],
    *,
    maps: Annotated[
        list[str] | None, typer.Option("--map", help="表头=列名，可多次 · 卡号=donor_id")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="跳过的表头 · headings to pass over")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """导入名册；没有的列保持原值 · Import a register; what it leaves out stays as it was.

    例 · Example:
      xuelian donor import shigatse donors.xlsx --map 卡号=donor_id
    """
    from cli.files import find_kind, read_upload  # noqa: PLC0415 - heavy imports stand here
    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    content = read_upload(file)
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.upload(
            f"/v1/stations/{station}/donors",
            content,
            params={"map": maps or [], "ignore": ignore or []},
            headers={"Content-Type": find_kind(file)},
        )
    out.document(answer)
    out.say(f"[green]✓[/] 已导入 · imported: {answer['imported']}")
    _print_warnings(out, answer)


@app.command("list")
def list_(station: StationArgument, *, as_json: JsonOption = False) -> None:
    """列出名册；每次查看都有记录 · List the register; each look is recorded.

    例 · Example:
      xuelian donor list shigatse
    """
    out = Output(as_json=as_json)
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        params = {"limit": _PAGE} | ({"after": after} if after else {})
        answer = _call("GET", f"/v1/stations/{station}/donors", params=params)
        found += answer["donors"]
        after = answer["after"]
        if after is None:
            break
    out.document({"donors": found})
    heads = [
        "献血者 · donor", "上次献血 · last gave", "暂缓至 · deferred until", "同意 · consented",
        "呼叫/应答 · called/came",
    ]  # fmt: skip
    rows = [
        [
            f"{row['donor']['donor_id']} {row['donor']['group']}\n{row['donor']['name']}",
            row["donor"]["last_whole_blood_on"] or "",
            show_expiry(row["donor"]["deferred_until"]),
            show_instant(row["donor"]["consented_at"]),
            f"{row['called']}/{row['accepted']}",
        ]
        for row in found
    ]
    out.table(add_rows(build_table(f"献血者 · donors {len(found)}", heads), rows))


@app.command()
def show(station: StationArgument, donor: DonorArgument, *, as_json: JsonOption = False) -> None:
    """显示一位献血者的登记；查看有记录 · Show one donor as registered; the look is recorded.

    例 · Example:
      xuelian donor show shigatse D-017
    """
    from cli.fields import print_fields  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    answer = _call("GET", f"/v1/stations/{station}/donors/{donor}")
    out.document(answer)
    if as_json:
        return
    told = {name: value for name, value in answer["donor"].items() if value is not None}
    print_fields(out, {**told, "version": answer["version"]})


@app.command("set")
def set_(
    station: StationArgument,
    donor: DonorArgument,
    *,
    name: str | None = None,
    contact: str | None = None,
    group: Annotated[str | None, typer.Option(help="A+、O型RhD阴性…")] = None,
    sex: Annotated[
        str | None,
        typer.Option(help="女、男 · female, male", callback=choose("female", "male")),
    ] = None,
    born_on: Annotated[str | None, typer.Option(help="1990-02-28")] = None,
    weight_kg: float | None = None,
    last_whole_blood_on: Annotated[str | None, typer.Option(help="2026-05-31")] = None,
    deferred_until: Until = None,
    unavailable_until: Until = None,
    consented_at: Annotated[
        str | None,
        typer.Option(help="哪天或何时同意；none 表示撤回 · day or instant; none withdraws"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """登记或更改一位献血者；没写的保持原值 · Register or change a donor; the rest stays as it was.

    例 · Example:
      xuelian donor set shigatse D-017 --deferred-until 2027-03-01
    """
    from cli.failures import GatewayRefusedError  # noqa: PLC0415 - heavy imports stand in commands

    given = {
        "name": name,
        "contact": contact,
        "group": group,
        "sex": sex,
        "born_on": born_on,
        "weight_kg": weight_kg,
        "last_whole_blood_on": last_whole_blood_on,
        "deferred_until": _to_moment(deferred_until, day_ends=True),
        "unavailable_until": _to_moment(unavailable_until, day_ends=True),
        "consented_at": _to_moment(consented_at, day_ends=False),
    }
    changes = {
        field: None if value == _ENDED else value
        for field, value in given.items()
        if value is not None
    }
    out = Output(as_json=as_json)
    path = f"/v1/stations/{station}/donors/{donor}"
    try:
        version = _call("GET", path)["version"]
    except GatewayRefusedError as error:
        if error.failure.code != "donor_not_registered":
            raise
        version = ""
    headers = {"If-Match": f'"{version}"'}
    answer = _call("PUT", path, json=changes, headers=headers, of_one=True)
    out.document(answer)
    out.say(f"[green]✓[/] 已登记 · registered: {donor}")
    _print_warnings(out, answer)


def _to_moment(text: str | None, *, day_ends: bool) -> str | None:
    """Return an instant with its zone, as an import reads it; the gateway refuses other text."""
    from gateway.files.cells import CellError, InstantReader, clean  # noqa: PLC0415 - as above
    from models.texts.instants import BEIJING  # noqa: PLC0415 - as above

    if text is None or text == _ENDED:
        return text
    try:
        return str(InstantReader(BEIJING, day_ends=day_ends)(clean(text) or text))
    except CellError:
        return text


def _print_warnings(out: Output, answer: dict[str, Any]) -> None:
    for warning in answer["warnings"]:
        out.say(f"  {warning['zh']} · {warning['en']}", style="yellow")


def _call(method: str, path: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of the call
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        return gateway.call(method, path, **fields)
