"""`xuelian dlq`: records that could not be accepted: list, show, replay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonOption, Output, add_rows, build_table

if TYPE_CHECKING:
    from streams.services.record_replay import DeadLetter, Replayed

app = typer.Typer(no_args_is_help=True, help="死信 · Dead letters: list, show, replay.")

CodeOption = Annotated[
    str | None, typer.Option("--code", help="只看这个原因 · only of this reason")
]
TopicOption = Annotated[str | None, typer.Option(help="只看这个主题 · only of this topic")]


@app.command("list")
def list_(
    *,
    code: CodeOption = None,
    topic: TopicOption = None,
    replayed: Annotated[
        bool, typer.Option("--replayed", help="也列出已重放的 · those replayed too")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多几条 · at most")] = 50,
    as_json: JsonOption = False,
) -> None:
    """列出死信，危及生命的在前，再最新的在前 · List dead letters, lives first, then the newest.

    例 · Examples:
      xuelian dlq list
      xuelian dlq list --code hospital_unknown --json
    """
    from cli import dead_letters  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    found = dead_letters.list_letters(
        load_resolved(), code=code, topic=topic, with_replayed=replayed, limit=limit
    )
    out = Output(as_json=as_json)
    out.document({"dead_letters": [dead_letters.to_summary(letter) for letter in found]})
    if not found:
        out.say("[green]✓[/] 没有死信 · no dead letters")
        return
    table = build_table(
        f"死信 {len(found)} · dead letters",
        [
            "编号 · id",
            "时间 · at",
            "主题、原因 · topic, reason",
        ],
    )
    rows = [
        [letter.dead_letter_id, letter.quarantined_at, _describe_reason(letter)] for letter in found
    ]
    out.table(add_rows(table, rows))


def _describe_reason(letter: DeadLetter) -> str:
    from cli.failures import render_code  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.output import show as as_text  # noqa: PLC0415 - the same

    grave = "‼ 危及生命 · life-threatening\n" if letter.is_life_threatening else ""
    told = (
        f"{grave}{letter.record.topic}\n{letter.code}：{render_code(letter.code, letter.params)[0]}"
    )
    if letter.replayed_at is None:
        return told
    return f"{told}\n↺ {as_text(letter.replayed_at)} 已重放 · replayed"


@app.command()
def show(
    dead_letter_id: Annotated[str, typer.Argument(help="死信编号 · its id", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """完整显示一条死信 · Show one dead letter whole: why, headers and body.

    例 · Example:
      xuelian dlq show 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --json | jq -r .body > body.json
    """
    from cli import dead_letters  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    letter = dead_letters.get_letter(load_resolved(), dead_letter_id)
    out = Output(as_json=as_json)
    out.document(dead_letters.to_whole(letter))
    if not as_json:
        _print_letter(out, letter)


def _print_letter(out: Output, letter: DeadLetter) -> None:
    from cli.dead_letters import show_bytes  # noqa: PLC0415 - the same
    from cli.failures import render_code  # noqa: PLC0415 - heavy imports stand in the commands

    zh, en = render_code(letter.code, letter.params)
    out.say(f"[red]✗[/] [bold]{letter.code}[/]")
    out.plain(f"  {zh}\n  {en}")
    record = letter.record
    table = build_table("", ["", ""])
    table.show_header = False
    place = f"{record.topic} / {record.partition} / {letter.offset}"
    rows: list[list[object]] = [
        ["编号 · id", letter.dead_letter_id],
        ["位置 · record", place],
        ["读者 · reader", letter.reader],
        ["隔离于 · quarantined", letter.quarantined_at],
        ["重放于 · replayed", letter.replayed_at],
        ["键 · key", show_bytes(record.key)],
    ]
    rows += [[name, show_bytes(raw)] for name, raw in record.headers]
    out.table(add_rows(table, rows))
    out.say("正文 · body")
    out.plain(show_bytes(record.value, pretty=True))


@app.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="死信编号 · ids", show_default=False)
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="全部未重放的 · all not replayed")] = False,
    code: CodeOption = None,
    topic: TopicOption = None,
    body: Annotated[
        Path | None,
        typer.Option(
            help="改正后的正文；成为新事件 · a corrected body; it becomes a new event",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="改正后的键 · a corrected key")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(help="改正的消息头 名=值，可多次 · corrected headers, name=value"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="不询问 · do not ask")] = False,
    as_json: JsonOption = False,
) -> None:
    """把死信放回原主题，逐字节不变 · Put records back into their topic, byte for byte.

    先排除原因（如登记医院），再重放；重复重放不会重复生效。
    Remove the cause first (register the hospital, say); replaying twice takes effect once.

    例 · Examples:
      xuelian dlq replay 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
      xuelian dlq replay --all --code hospital_unknown --yes
      xuelian dlq replay 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --body corrected.json
    """
    if bool(ids) == every:
        raise typer.BadParameter("写编号，或 --all · give ids, or --all", param_hint="IDS")
    corrected = body is not None or key is not None or bool(header)
    if corrected and (every or len(ids or ()) != 1):
        raise typer.BadParameter(
            "改正只能用于一条 · a correction is for one id", param_hint="--body"
        )
    from cli import dead_letters  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    settings = load_resolved()
    if every:
        wanted = dead_letters.list_letters(settings, code=code, topic=topic, limit=10_000)
    else:
        wanted = [dead_letters.get_letter(settings, dead_letter_id) for dead_letter_id in ids or ()]
    correction = dead_letters.build_correction(body=body, key=key, headers=header or ())
    out = Output(as_json=as_json)
    if wanted and not yes:
        _confirm(wanted)
    with out.progress("重放 · replaying"):
        done, failure = dead_letters.replay_letters(settings, wanted, correction=correction)
    _report(out, done=done, wanted=wanted)
    if failure is not None:
        raise failure


def _confirm(wanted: list[DeadLetter]) -> None:
    import sys  # noqa: PLC0415 - only here

    from models.errors import ContractError  # noqa: PLC0415 - heavy imports stand in the commands

    if not sys.stdin.isatty():
        raise ContractError("not_confirmed")
    codes = ", ".join(sorted({letter.code for letter in wanted}))
    typer.confirm(
        f"重放 {len(wanted)} 条（{codes}）？ · Replay {len(wanted)}?", abort=True, err=True
    )


def _report(out: Output, *, done: list[Replayed], wanted: list[DeadLetter]) -> None:
    names = ("dead_letter_id", "topic", "event_id", "released")
    out.document(
        {
            "replayed": [{name: getattr(record, name) for name in names} for record in done],
            "asked": len(wanted),
        }
    )
    for record in done:
        out.plain(f"▸ {record.dead_letter_id} → {record.topic}  {record.event_id or '–'}")
    mark = "[green]✓[/]" if len(done) == len(wanted) else "[red]✗[/]"
    out.say(f"{mark} 重放 {len(done)} / {len(wanted)} · replayed {len(done)} of {len(wanted)}")
