"""`xuelian worker|gateway|relay`: run one long-running process per call."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

OwnerOption = Annotated[
    int | None, typer.Option("--owner-pid", hidden=True, help="End when that process is gone.")
]

JsonLogs = Annotated[
    bool,
    typer.Option(
        "--json",
        help="日志为 JSON，不论 XUELIAN_LOG_FORMAT · log as JSON, whatever that says",
        show_default=False,
    ),
]


def worker(
    role: Annotated[
        Literal["urgent", "supply"],
        typer.Argument(
            help="urgent：医院申请 · hospital requests; "
            "supply：库存、警报、献血者、邻站 · stock, alerts, donors, neighbours"
        ),
    ],
    owner_pid: OwnerOption = None,
    *,
    as_json: JsonLogs = False,
) -> None:
    """运行一个处理进程 · Run a worker until SIGTERM or Ctrl-C.

    同一角色可以运行多个，分区由 Kafka 分配 · Run as many of a role as you like.
    设置 XUELIAN_METRICS_PORT 后提供 · then serves /healthz, /readyz, /metrics.

    例 · Examples:
      xuelian worker urgent
      XUELIAN_METRICS_PORT=9108 xuelian worker supply
    """
    _run_engine(role, owner_pid, as_json=as_json)


def relay(owner_pid: OwnerOption = None, *, as_json: JsonLogs = False) -> None:
    """只运行发件箱转发与定时器 · Run the outbox relay and the timers alone.

    处理进程自己也转发，停下时由这里接手 · Takes over while workers, who relay too, are down.

    例 · Example:
      xuelian relay
    """
    _run_engine("relay", owner_pid, as_json=as_json)


def gateway(owner_pid: OwnerOption = None, *, as_json: JsonLogs = False) -> None:
    """运行网关（HTTP） · Run the gateway until SIGTERM or Ctrl-C.

    监听 XUELIAN_GATEWAY_HOST:XUELIAN_GATEWAY_PORT · listens there.

    例 · Example:
      XUELIAN_GATEWAY_PORT=8480 xuelian gateway
    """
    from cli.logs import configure_logging  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.parent_watch import follow_owner  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    follow_owner(owner_pid)
    settings = load_resolved()
    configure_logging(settings, process="gateway", as_json=as_json)
    from gateway.bootstrap import run_gateway  # noqa: PLC0415 - logging is configured before it loads

    run_gateway(settings)


def _run_engine(role: str, owner_pid: int | None, *, as_json: bool) -> None:
    import asyncio  # noqa: PLC0415 - heavy imports stand in the commands

    from cli.logs import configure_logging  # noqa: PLC0415 - the same
    from deploy.local.parent_watch import follow_owner  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    follow_owner(owner_pid)
    settings = load_resolved()
    process = role if role == "relay" else f"worker-{role}"
    configure_logging(settings, process=process, as_json=as_json)
    import uvloop  # noqa: PLC0415 - the same

    from streams.bootstrap import Role, run_process  # noqa: PLC0415 - logging is configured first

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_process(settings, Role(role)))
