"""`xuelian rules`: the clinical and legal rules in force, and a station's own file of values."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import JsonOption, Output, add_rows, build_table
from deploy.local.exit_codes import ExitCode

if TYPE_CHECKING:
    from models.rules.overrides import Checked
    from models.rules.rulebook import Rule, Rulebook, RuleValue

app = typer.Typer(no_args_is_help=True, help="规则 · Rules: list, show, check.")


class Kind(StrEnum):
    LAW = "law"
    STANDARD = "standard"
    LOCAL = "local"


_KINDS = {"law": "法律 · law", "standard": "标准 · standard", "local": "本地 · local"}


@app.command("list")
def list_(
    *,
    kind: Annotated[
        Kind | None, typer.Option(help="法律、标准或本地 · law, standard or local")
    ] = None,
    to_confirm: Annotated[
        bool, typer.Option("--to-confirm", help="只列须由血站确认的 · only what a station confirms")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """列出现行的全部规则 · List the rules in force.

    例 · Examples:
      xuelian rules list
      xuelian rules list --kind law
      xuelian rules list --to-confirm --json
    """
    from cli.rules_page import describe_reading  # noqa: PLC0415 - heavy imports stand in the commands

    rules = _load()
    chosen = [
        rule
        for rule in rules.list_rules()
        if (kind is None or rule.kind == kind.value) and (rule.is_to_confirm or not to_confirm)
    ]
    out = Output(as_json=as_json)
    out.document({"version": rules.version, "rules": [_to_json(rule) for rule in chosen]})
    heads = ("规则 · rule", "类别 · kind", "内容 · what", "数值 · values", "读到 · read")
    table = build_table(f"规则 · rules {rules.version}", heads)
    rows = [
        [
            r.rule_id,
            _KINDS[r.kind],
            f"{r.zh}\n{r.en}",
            "\n".join(map(_describe, r.values)),
            describe_reading(r).replace("；", "\n"),
        ]
        for r in chosen
    ]
    out.table(add_rows(table, rows))
    out.say(f"{len(chosen)} 条 · rules")


@app.command()
def show(
    rule: Annotated[
        str,
        typer.Argument(help="规则，可带版本 · a rule, as decisions cite it", show_default=False),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """显示一条规则：数值、出处、能否自定 · Show one rule: values, source, what may be set.

    例 · Examples:
      xuelian rules show unknown.o_negative_cap
      xuelian rules show donor.interval.whole_blood@2026-3
    """
    from cli.rules_page import describe_may, describe_reading  # noqa: PLC0415 - heavy imports stand in the commands

    found = _load().get_rule(rule)
    out = Output(as_json=as_json)
    out.document(_to_json(found))
    out.say(f"[bold]{found.cited}[/]  {found.zh} · {found.en}")
    out.plain(f"类别 · kind: {_KINDS[found.kind]}；执行 · applied by: {found.applied_by}")
    for value in found.values:
        out.plain(f"  {_describe(value)}  ({describe_may(found, value)})")
    out.plain(f"出处 · source: {found.source}")
    out.plain(f"如何读到 · how it was read: {describe_reading(found)}")
    if found.note:
        out.plain(f"说明 · note: {found.note}")
    if found.confirm:
        out.plain(f"须由血站确认 · to be confirmed by the station: {', '.join(found.confirm)}")


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help="本站的文件 · a station's file", show_default=False),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """检查本站的规则文件，不做任何更改 · Check a station's file; nothing is changed.

    有一处不能接受就是代码 1，全部列出 · Code 1 if anything is refused; everything is listed.

    例 · Examples:
      xuelian rules check shigatse-rules.toml
      xuelian rules check shigatse-rules.toml --json
    """
    from models.texts import render  # noqa: PLC0415 - heavy imports stand in the commands
    from streams.rules_file import read_rules_file  # noqa: PLC0415 - the same

    checked = read_rules_file(file)
    out = Output(as_json=as_json)
    told = [(mistake, render(mistake.code, mistake.params)) for mistake in checked.mistakes]
    out.document(
        {
            "ok": not told,
            "version": checked.rules.version,
            "changes": [change._asdict() for change in checked.changes],
            "mistakes": [
                {"code": m.code, "params": dict(m.params), "zh": text.zh, "en": text.en}
                for m, text in told
            ],
        }
    )
    for _, text in told:
        out.say("[red]✗[/] ", end="")
        out.plain(str(text))
    if told:
        out.say(f"[red]✗[/] {len(told)} 处不能接受 · {len(told)} things are refused")
        raise typer.Exit(ExitCode.FAILED)
    _print_changes(out, checked, file)


@app.command()
def laws(
    file: Annotated[
        Path | None,
        typer.Argument(help="检查这个地区法文件 · check this law file", show_default=False),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """列出各地的献血法规，或检查一个文件 · List the regions' donor laws, or check a law file.

    例 · Examples:
      xuelian rules laws
      xuelian rules laws our-law.toml
    """
    from cli.rules_page import READINGS, describe_law_days, describe_law_values  # noqa: PLC0415 - heavy imports stand in the commands
    from models.rules.donor_laws import list_packaged_laws  # noqa: PLC0415 - the same
    from streams.rules_file import read_law_file  # noqa: PLC0415 - the same

    found = list_packaged_laws() if file is None else (read_law_file(file),)
    out = Output(as_json=as_json)
    out.document({"laws": [law.model_dump(mode="json") for law in found]})
    heads = ("地区 · region", "法规 · law", "施行 · in force", "数值 · values", "读到 · read")
    rows = [
        [
            law.region,
            f"{law.zh}\n{law.en}",
            describe_law_days(law),
            describe_law_values(law),
            READINGS[law.read],
        ]
        for law in found
    ]
    out.table(add_rows(build_table("献血法规 · laws on donors", heads), rows))
    if file is not None:
        out.say("[green]✓[/] ", end="")
        out.plain(f"可用 · good. 启用 · to use it: XUELIAN_LAW_FILE={file}")


def _print_changes(out: Output, checked: Checked, file: Path) -> None:
    from cli.rules_page import describe_value  # noqa: PLC0415 - heavy imports stand in the commands

    heads = ["规则 · rule", "数值 · value", "原为 · packaged", "改为 · yours"]
    rows = [
        [c.rule_id, c.name, describe_value(c.before), describe_value(c.after)]
        for c in checked.changes
    ]
    if rows:
        out.table(add_rows(build_table("本站的数值 · the station's own values", heads), rows))
    out.say(f"[green]✓[/] 可用 · good: {checked.rules.version}")
    out.plain(f"启用 · to use it: XUELIAN_RULES_FILE={file}")


def _load() -> Rulebook:
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - heavy imports stand in the commands
    from streams.rules_file import load_rulebook  # noqa: PLC0415 - the same

    settings = load_settings()
    return load_rulebook(settings.rules_file, law_file=settings.law_file)


def _describe(value: RuleValue) -> str:
    from cli.rules_page import describe_unit, describe_value  # noqa: PLC0415 - heavy imports stand in commands

    mark = " ✎ 本站 · the station's own" if value.overridden else ""
    return f"{value.name} = {describe_value(value.value)} {describe_unit(value.terms.unit)}{mark}"


def _to_json(rule: Rule) -> dict[str, Any]:
    return rule.model_dump(mode="json")
