"""`xuelian init`: make a small example region on a running system."""

from __future__ import annotations

from cli.output import JsonOption, Output


def init(*, as_json: JsonOption = False) -> None:
    """建一个示例区域：两个血站、两家医院、库存、献血者 · Make a small example region to play with.

    先 xuelian up，并设好 XUELIAN_API_KEY（调度密钥）。可以重复。已在使用的系统会拒绝，什么也不写。
    After xuelian up, with a dispatcher's XUELIAN_API_KEY. May be repeated. A system that is in use
    is refused and left as it is.

    例 · Examples:
      xuelian init
      xuelian request new --hospital dingri-county --group A+ -n red_cells=4 --within 6
    """
    from cli.example import make_region  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved, load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    resolved = load_resolved()
    with out.progress("示例区域 · the example region") as report:
        made = make_region(load_settings(), resolved=resolved, report=report)
    out.document(
        {
            "example": True,
            "stations": made.stations,
            "hospitals": made.hospitals,
            "units": made.units,
            "donors": made.donors,
            "keys": made.keys,
            "state_dir": resolved.state_dir,
        }
    )
    if as_json:
        return
    out.say(
        f"[green]✓[/] 示例区域已就绪 · the example region is ready: "
        f"{', '.join(made.stations)}; {', '.join(made.hospitals)}"
    )
    out.plain(f"  新入库 · new units: {made.units}    献血者 · donors: {made.donors}")
    for name, text in made.keys.items():
        out.plain(f"  {name}: {text}")
    out.plain("  下一步 · next:")
    out.plain(
        "    xuelian request new --hospital dingri-county --group A+ -n red_cells=4 --within 6"
    )
    out.plain("    xuelian status")
    out.plain(
        "  不再要时 · to remove: 停止后删去状态文件夹；里面的一切都会删掉，不只是示例 · "
        "stop it and delete the state folder, which deletes everything in it, not the example "
        f"alone: {resolved.state_dir}"
    )
