"""`xuelian station`, `hospital` and `route`: show and change what is registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table

stations = typer.Typer(no_args_is_help=True, help="血站 · Stations: list, show, set.")
hospitals = typer.Typer(no_args_is_help=True, help="医院 · Hospitals: list, show, set.")
routes = typer.Typer(no_args_is_help=True, help="行程 · Journeys: list, set.")

Named = Annotated[str | None, typer.Option(show_default=False)]
Place = Annotated[
    tuple[float, float] | None,
    typer.Option("--at", metavar="LAT LON", help="纬度 经度 · latitude, longitude"),
]


@stations.command("list")
def list_stations(*, as_json: JsonOption = False) -> None:
    """列出血站 · List the stations.

    例 · Example:
      xuelian station list
    """
    answer = _call("GET", "/v1/stations")
    records = [row["station"] for row in answer["stations"]]
    _print_list(answer, "血站 · stations", "station_id", records, as_json=as_json)


@stations.command("show")
def show_station(
    station: Annotated[str, typer.Argument(help="血站 · station", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一个血站的登记 · Show one station as it is registered.

    例 · Example:
      xuelian station show shigatse
    """
    _print_one(_call("GET", f"/v1/stations/{station}"), "station", as_json=as_json)


@stations.command("set")
def set_station(
    station: Annotated[str, typer.Argument(help="血站编号 · its id", show_default=False)],
    *,
    name_zh: Named = None,
    name_en: Named = None,
    at: Place = None,
    neighbour: Annotated[
        list[str] | None, typer.Option(help="邻站，可多次 · neighbours, repeatable")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """登记或更改血站；没有写的保持原值 · Register or change a station; the rest stays as it was.

    例 · Example:
      xuelian station set shigatse --name-zh 日喀则血站 --name-en Shigatse --at 29.27 88.88
    """
    changes: dict[str, Any] = {}
    if neighbour is not None:
        changes["policy"] = {"neighbours": neighbour}
    _set("station", station, _named(name_zh, name_en, at) | changes, as_json=as_json)


@hospitals.command("list")
def list_hospitals(*, as_json: JsonOption = False) -> None:
    """列出医院 · List the hospitals.

    例 · Example:
      xuelian hospital list
    """
    answer = _call("GET", "/v1/hospitals")
    records = [row["hospital"] for row in answer["hospitals"]]
    _print_list(answer, "医院 · hospitals", "hospital_id", records, as_json=as_json)


@hospitals.command("show")
def show_hospital(
    hospital: Annotated[str, typer.Argument(help="医院 · hospital", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一家医院的登记 · Show one hospital as it is registered.

    例 · Example:
      xuelian hospital show dingri-county
    """
    _print_one(_call("GET", f"/v1/hospitals/{hospital}"), "hospital", as_json=as_json)


@hospitals.command("set")
def set_hospital(
    hospital: Annotated[str, typer.Argument(help="医院编号 · its id", show_default=False)],
    *,
    name_zh: Named = None,
    name_en: Named = None,
    at: Place = None,
    station: Annotated[
        str | None, typer.Option(help="供血血站 · the station that supplies it")
    ] = None,
    can_thaw: Annotated[
        bool | None,
        typer.Option("--can-thaw/--cannot-thaw", help="能否融化冰冻成分 · can it thaw"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    r"""登记或更改医院；没有写的保持原值 · Register or change a hospital; the rest stays as it was.

    例 · Example:
      xuelian hospital set dingri-county --station shigatse --cannot-thaw \
        --name-zh 定日县人民医院 --name-en "Dingri County Hospital" --at 28.66 87.13
    """
    changes = {"station_id": station, "can_thaw": can_thaw}
    given = {name: value for name, value in changes.items() if value is not None}
    _set("hospital", hospital, _named(name_zh, name_en, at) | given, as_json=as_json)


@routes.command("list")
def list_routes(*, as_json: JsonOption = False) -> None:
    """列出登记的行程时间 · List the recorded journeys.

    例 · Example:
      xuelian route list
    """
    out = Output(as_json=as_json)
    answer = _call("GET", "/v1/routes")
    out.document(answer)
    table = build_table("行程 · journeys", ["从 · from", "到 · to", "分钟 · minutes"])
    rows = [
        [route["from_id"], route["to_id"], f"{route['eta_s'] / 60:.0f}"]
        for route in answer["routes"]
    ]
    out.table(add_rows(table, rows))


@routes.command("set")
def set_route(
    from_id: Annotated[str, typer.Argument(help="从 · from", show_default=False)],
    to_id: Annotated[str, typer.Argument(help="到 · to", show_default=False)],
    minutes: Annotated[
        float,
        typer.Argument(min=0, max=10_080, help="分钟，含交接 · minutes, handing over included"),
    ],
    *,
    proven_box: Annotated[
        bool | None,
        typer.Option(help="箱子经验证能保持温度 · its box is proven to keep the temperature"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """登记一个方向的行程时间 · Record a journey, one direction.

    例 · Example:
      xuelian route set shigatse dingri-county 240
    """
    out = Output(as_json=as_json)
    route = {"from_id": from_id, "to_id": to_id, "eta_s": round(minutes * 60)}
    if proven_box is not None:
        route["proven_box"] = proven_box
    out.document(_call("PUT", "/v1/routes", json={"routes": [route]}))
    out.say(f"[green]✓[/] 已登记 · recorded: {from_id} → {to_id} {minutes:g} min")


def _named(
    name_zh: str | None, name_en: str | None, at: tuple[float, float] | None
) -> dict[str, Any]:
    location = None if at is None else {"lat": at[0], "lon": at[1]}
    given = {"name_zh": name_zh, "name_en": name_en, "location": location}
    return {name: value for name, value in given.items() if value is not None}


def _set(kind: str, facility_id: str, changes: Mapping[str, Any], *, as_json: bool) -> None:
    """Change the record as it stands; what somebody changes meanwhile is not overwritten."""
    from cli.failures import GatewayRefusedError  # noqa: PLC0415 - heavy imports stand in commands

    out = Output(as_json=as_json)
    path = f"/v1/{kind}s/{facility_id}"
    try:
        before = _call("GET", path)
    except GatewayRefusedError as error:
        if error.failure.code != "facility_not_registered":
            raise
        before = {kind: {f"{kind}_id": facility_id}, "version": 0}
    record = {**before[kind], **changes}
    if "policy" in changes:
        record["policy"] = {**before[kind].get("policy", {}), **changes["policy"]}
    answer = _call("PUT", path, json=record, headers={"If-Match": f'"{before["version"]}"'})
    out.document(answer)
    out.say(
        f"[green]✓[/] 已登记 · registered: {facility_id} 第 {answer['version']} 版 · "
        f"version {answer['version']}"
    )
    for note in answer["notes"]:
        out.say(f"  {note['zh']} · {note['en']}", style="yellow")


def _print_list(
    answer: Mapping[str, Any],
    title: str,
    key: str,
    records: list[Mapping[str, Any]],
    *,
    as_json: bool,
) -> None:
    out = Output(as_json=as_json)
    out.document(answer)
    heads = ["编号 · id", "名称 · name", "供血 · supplied by", "融化 · thaws"]
    table = build_table(f"{title} {len(records)}", heads)
    thaws = {True: "能 · yes", False: "不能 · no", None: ""}
    rows = [
        [
            record[key],
            f"{record['name_zh']} · {record['name_en']}",
            record.get("station_id", "") if key == "hospital_id" else "",
            thaws[record.get("can_thaw")],
        ]
        for record in records
    ]
    out.table(add_rows(table, rows))


def _print_one(answer: Mapping[str, Any], kind: str, *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    out.document(answer)
    if as_json:
        return
    from cli.fields import print_fields  # noqa: PLC0415 - heavy imports stand in the commands

    out.say(f"[bold]{answer[kind]['name_zh']} · {answer[kind]['name_en']}[/]")
    rest = {name: value for name, value in answer.items() if name != kind}
    print_fields(out, {**answer[kind], **rest})


def _call(
    method: str, path: str, *, json: object = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    with GatewayClient(load_settings()) as gateway:
        return gateway.call(method, path, json=json, headers=headers)
