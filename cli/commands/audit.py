"""`xuelian audit`: verify the chains of the audit, and show the history of one subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show_code
from deploy.local.exit_codes import ExitCode

if TYPE_CHECKING:
    from streams.services.audit_verification import AuditVerdict, Breach

app = typer.Typer(no_args_is_help=True, help="审计 · The audit: verify, show.")

_SHOWN = 20
_EVERY_ROWS = 50_000

_KINDS = {
    "changed": "内容被改 · the fields do not give the hash",
    "moved": "位置被换 · stands at another place than it was written at",
    "missing": "行被删除 · rows are gone",
    "repeated": "序号重复 · the sequence stands twice",
    "unlinked": "与上一行断开 · does not follow the row before it",
    "head_differs": "链尾不符 · the newest row is not the head's",
    "seal_differs": "与已公布的不符 · not what was sealed on Kafka",
    "sealed_missing": "已公布的行不见了 · a sealed row is gone",
}


@app.command()
def verify(
    *,
    station: Annotated[
        str | None, typer.Option(help="只核验这家血站的链 · only this station's chain")
    ] = None,
    since: Annotated[int, typer.Option(min=1, help="从这个序号起 · from this sequence on")] = 1,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="不与 Kafka 上的封印对照 · without the seals on Kafka"),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """重算每一行的哈希，找出任何改动 · Recompute every hash and find whatever was tampered with.

    退出代码 1 表示有破损 · the exit code is 1 if anything is wrong.

    例 · Examples:
      xuelian audit verify
      xuelian audit verify --station nagqu --since 100000 --json
    """
    from cli import audit_report  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    with out.progress("核验审计链 · verifying the audit") as step:
        told = 0

        def report(rows: int) -> None:
            nonlocal told
            if rows - told >= _EVERY_ROWS:
                told = rows
                step(f"{rows:,} 行 · rows")

        verdict = audit_report.verify_audit(
            load_resolved(), with_seals=not offline, station_id=station, since=since, report=report
        )
    out.document(audit_report.verdict_to_json(verdict))
    _report(out, verdict)
    if not verdict.holds:
        raise typer.Exit(ExitCode.FAILED)


def _report(out: Output, verdict: AuditVerdict) -> None:
    counted = (
        f"{verdict.rows:,} 行、{verdict.chains} 条链、{verdict.seals:,} 个封印，"
        f"{verdict.unsealed:,} 行尚未封印 · {verdict.rows:,} rows, {verdict.chains} chains, "
        f"{verdict.seals:,} seals, {verdict.unsealed:,} rows not sealed yet"
    )
    if verdict.holds:
        out.say(f"[green]✓[/] 审计完整 · the audit holds: {counted}")
        return
    table = build_table(
        f"破损 {verdict.breached:,} 处 · breaches",
        [
            "链 · chain",
            ("序号 · sequence", {"justify": "right"}),
            "什么 · what",
        ],
    )
    rows = [
        [breach.chain, breach.sequence, _describe_breach(breach)]
        for breach in verdict.breaches[:_SHOWN]
    ]
    out.table(add_rows(table, rows))
    out.say(f"[red]✗[/] {counted}")


def _describe_breach(breach: Breach) -> str:
    places = f"应为 · expected {breach.expected}\n现为 · found {breach.found}"
    return f"{_KINDS[breach.kind]}\n{places}"


@app.command()
def show(
    *,
    subject: Annotated[
        str,
        typer.Option(
            help="血袋、申请、献血者、响应等的编号 · a unit, request, donor, activation …",
            show_default=False,
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多几行 · at most")] = 200,
    as_json: JsonOption = False,
) -> None:
    """一件事物的来龙去脉，最早在前 · The history of one thing, oldest first.

    例 · Example:
      xuelian audit show --subject 4c1f5c1e-0d5b-5d7a-9a55-3d0e4c0a7b21
    """
    from cli import audit_report  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    rows = audit_report.list_history(load_resolved(), subject, limit=limit)
    out = Output(as_json=as_json)
    out.document({"audit": [audit_report.row_to_json(row) for row in rows]})
    if not rows:
        out.say("没有记录 · nothing is recorded")
        return
    table = build_table(
        f"{subject} · {len(rows)}",
        [
            "时间 · at",
            "从 · from",
            "到 · to",
            "谁 · who",
            "为何 · why",
            "起因 · by event",
            "链 · chain",
        ],
    )
    shown = [
        [
            row.at,
            show_code(row.from_state) if row.from_state else None,
            show_code(row.to_state),
            row.actor,
            row.why,
            row.caused_by,
            f"{row.chain}/{row.sequence}",
        ]
        for row in rows
    ]
    out.table(add_rows(table, shown))
