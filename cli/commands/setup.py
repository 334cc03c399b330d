"""`xuelian migrate`, `topics` and `services`: set up the schema, topics and servers."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import JsonOption, Output, add_rows, build_table
from deploy.local.exit_codes import ExitCode

topics = typer.Typer(no_args_is_help=True, help="Kafka 主题 · Kafka topics: apply, check.")
services = typer.Typer(
    no_args_is_help=True,
    help="本机的 Kafka 与 PostgreSQL · Kafka and PostgreSQL of this machine: up, down, status.",
)


def migrate(
    *,
    wait: Annotated[
        int, typer.Option(min=1, help="最多等数据库多少秒 · seconds to wait for the server")
    ] = 30,
    as_json: JsonOption = False,
) -> None:
    """建立或升级数据库表 · Bring the database to the newest schema; safe to repeat.

    例 · Example:
      xuelian migrate
    """
    out = Output(as_json=as_json)
    with out.progress("迁移数据库 · migrating the database"):
        from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same
        from streams.store.schema_update import apply_migrations  # noqa: PLC0415 - heavy

        applied = apply_migrations(load_resolved(), wait_s=wait)
    out.document({"applied": applied})
    for name in applied:
        out.say(f"[green]▸[/] {name}")
    if not as_json:
        out.say("[green]✓[/] 数据库是最新的 · the database is up to date")


@topics.command()
def apply(*, as_json: JsonOption = False) -> None:
    """新建缺少的主题，并核对全部 · Create what is missing, then verify all; safe to repeat.

    从不删除或更改已有的主题 · Never deletes or changes a topic that exists.

    例 · Example:
      xuelian topics apply
    """
    _run_topics(as_json=as_json, change=True)


@topics.command()
def check(*, as_json: JsonOption = False) -> None:
    """只核对，不更改 · Verify every topic and change nothing; code 4 if one is wrong.

    例 · Example:
      xuelian topics check
    """
    _run_topics(as_json=as_json, change=False)


def _run_topics(*, as_json: bool, change: bool) -> None:
    import asyncio  # noqa: PLC0415 - heavy imports stand in the commands

    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same
    from streams.kafka.topic_admin import apply_topics, check_topics  # noqa: PLC0415 - the same

    settings = load_resolved()
    out = Output(as_json=as_json)
    with out.progress("核对 Kafka 主题 · looking at the topics"):
        run = apply_topics if change else check_topics
        report = asyncio.run(run(settings.kafka_bootstrap, settings.kafka_replication))
    out.document({"created": report.created, "verified": report.verified})
    for name in report.created:
        out.say(f"[green]▸[/] 新建 · created {name}")
    if not as_json:
        count = len(report.verified)
        out.say(f"[green]✓[/] {count} 个主题正确 · {count} topics are right")


@services.command()
def up(
    *,
    brokers: Annotated[
        int | None, typer.Option(help="Kafka 节点数，1 或 3 · Kafka nodes, 1 or 3")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """启动；在后台运行到 services down · Start both; they run until `services down`.

    本机若有另一套在运行，会指出 · Says so if another system runs on this machine.

    例 · Example:
      xuelian services up
    """
    if brokers not in {None, 1, 3}:
        raise typer.BadParameter("1 或 3 · 1 or 3", param_hint="--brokers")
    out = Output(as_json=as_json)
    with out.progress("启动 Kafka 与 PostgreSQL · starting Kafka and PostgreSQL") as report:
        from deploy.local.resolved_settings import (  # noqa: PLC0415 - heavy
            build_embedded,
            load_settings,
            report_other_systems,
        )

        settings = load_settings()
        report_other_systems(settings, out.note)
        endpoints = build_embedded(settings, report=report, brokers=brokers).up()
    out.document(
        {
            "kafka_bootstrap": endpoints.kafka_bootstrap,
            "postgres_dsn": endpoints.postgres_dsn,
            "state_dir": settings.state_dir.resolve(),
        }
    )
    if not as_json:
        out.say("[green]✓[/] 已就绪，此处的命令会自己找到 · ready; commands run here find them:")
        out.plain(f"  export XUELIAN_KAFKA_BOOTSTRAP={endpoints.kafka_bootstrap}")
        out.plain(f"  export XUELIAN_POSTGRES_DSN={endpoints.postgres_dsn}")


@services.command()
def down(*, as_json: JsonOption = False) -> None:
    """停止；数据保留 · Stop both; the data stays.

    例 · Example:
      xuelian services down
    """
    out = Output(as_json=as_json)
    with out.progress("停止 · stopping") as report:
        from deploy.local.resolved_settings import build_embedded, load_settings  # noqa: PLC0415 - heavy

        build_embedded(load_settings(), report=report).down()
    out.document({"stopped": True})
    if not as_json:
        out.say("[green]✓[/] 已停止，数据保留 · stopped, the data stays")


@services.command()
def status(*, as_json: JsonOption = False) -> None:
    """现在如何；有一个不健康就是代码 1 · How they are; code 1 unless all are healthy.

    例 · Example:
      xuelian services status
    """
    from deploy.local.resolved_settings import build_embedded, load_settings  # noqa: PLC0415 - heavy

    found = build_embedded(load_settings(), report=lambda _: None).status()
    out = Output(as_json=as_json)
    names = ("name", "healthy", "pid", "port", "detail", "log")
    out.document(
        {"services": [{name: getattr(service, name) for name in names} for service in found]}
    )
    if not as_json and not found:
        out.say("还没有建立 · none were made: xuelian services up")
    elif not as_json:
        table = build_table(
            "本机服务 · services", ["", "服务 · service", "端口 · port", "状态 · status"]
        )
        rows = [
            ["✓" if service.healthy else "✗", service.name, service.port, service.detail]
            for service in found
        ]
        out.table(add_rows(table, rows))
        out.plain(f"日志 · logs: {found[0].log.parent}")
    if not found or not all(service.healthy for service in found):
        raise typer.Exit(ExitCode.FAILED)
