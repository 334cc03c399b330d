"""`xuelian columns`: show, check and extend a station's own headings and names of products."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table

app = typer.Typer(no_args_is_help=True, help="列名文件 · A station's words: show, check, remember.")

StationArgument = Annotated[str, typer.Argument(help="血站 · station", show_default=False)]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", help="表头=列名，可多次 · heading=column, e.g. 献血号=donation_id"),
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option(help="跳过这一列，可多次 · pass over a column")
]
DonorsOption = Annotated[
    bool, typer.Option("--donors", help="献血者名册的列 · columns of the register of donors")
]


@app.command()
def show(
    station: StationArgument, *, donors: DonorsOption = False, as_json: JsonOption = False
) -> None:
    """列出每一列认得的表头，本站自己的在内 · List the known headings, the station's own too.

    例 · Examples:
      xuelian columns show shigatse
      xuelian columns show shigatse --donors
    """
    from cli.columns import find_words  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    path, words = find_words(load_settings(), station)
    out = Output(as_json=as_json)
    headings = words.to_donor_words() if donors else words.to_unit_words()
    file = str(path) if path else None
    told = {"station_id": station, "file": file, "own": words.model_dump()}
    out.document({**told, "headings": headings.headings})
    if as_json:
        return
    out.plain(str(path) if path else "没有本站的列名文件 · the station has no file of its own")
    table = build_table("表头 · headings", ["列名 · column", "表头 · headings"])
    out.table(
        add_rows(table, [(name, "、".join(known)) for name, known in headings.headings.items()])
    )
    out.plain(f"  跳过 · passed over: {'、'.join(headings.ignored) or '–'}")
    _print_own(out, words)


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help="<station_id>.toml", show_default=False, exists=True, dir_okay=False),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """检查一份列名文件并列出它的内容 · Check a columns file and list what it says.

    例 · Example:
      xuelian columns check columns/shigatse.toml
    """
    from cli.columns import read_columns_file  # noqa: PLC0415 - as above

    words = read_columns_file(file)
    out = Output(as_json=as_json)
    out.document(words.model_dump())
    out.say(f"[green]✓[/] {file.name}: {words.station_id}")
    _print_own(out, words)


@app.command()
def remember(
    station: StationArgument,
    *,
    maps: MapOption = None,
    ignore: IgnoreOption = None,
    donors: DonorsOption = False,
    as_json: JsonOption = False,
) -> None:
    """把表头记进本站的列名文件，下次不再问 · Remember headings in the station's file.

    写在 XUELIAN_COLUMNS_DIR；网关下一次导入即读 · the gateway reads it at the next import.

    例 · Examples:
      xuelian columns remember shigatse --map 献血号=donation_id --ignore 检验结果
      xuelian columns remember shigatse --donors --map 卡号=donor_id
    """
    from cli.columns import remember as keep  # noqa: PLC0415 - as above
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    path = keep(load_settings(), station, "donors" if donors else "units", maps or (), ignore or ())
    out = Output(as_json=as_json)
    out.document({"station_id": station, "file": str(path)})
    out.say(f"[green]✓[/] {path}")


def _print_own(out: Output, words: Any) -> None:  # noqa: ANN401 - models are not loaded for `--help`
    for title, pairs in (
        ("盘点表头 · of counts", words.units.headings),
        ("名册表头 · of registers", words.donors.headings),
        ("品种 · products", words.products),
        ("状态 · states", words.statuses),
    ):
        for word, meant in pairs.items():
            out.plain(f"  {title}: {word} → {meant}")
    for word in (*words.units.ignore, *words.donors.ignore):
        out.plain(f"  跳过 · passed over: {word}")
