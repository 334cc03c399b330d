"""`xuelian explain`: why a request got what it got, and what would change it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.output import JsonOption, Output


def explain(
    request_id: Annotated[str, typer.Argument(help="申请编号 · request id", show_default=False)],
    *,
    version: Annotated[
        int | None,
        typer.Option("--version", min=1, help="第几版决定，不写为现在 · of an earlier decision"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """为什么是这样，怎样才会不同 · Why a request got what it got, and what would change it.

    一页：现在怎样、给了什么、略过了什么、改变什么就不同、期间做了什么、为何一次次决定。
    One page: where it stands, what is given, what was passed over, what would change the answer,
    what was done meanwhile, and why it was decided each time.

    例 · Examples:
      xuelian explain 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10
      xuelian explain 3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10 --version 1 --json
    """
    from cli.decisions import print_request  # noqa: PLC0415 - heavy imports stand in the commands
    from cli.explanation_page import list_page  # noqa: PLC0415 - the same
    from cli.gateway import GatewayClient  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    out = Output(as_json=as_json)
    path = f"/v1/requests/{request_id}/explanation"
    with GatewayClient(load_settings()) as gateway:
        answer = gateway.call("GET", path, params={"version": version})
    out.document(answer)
    if "standing" not in answer:
        # It was not taken in: there is no decision to explain.
        print_request(out, answer)
        return
    for line in list_page(answer):
        out.plain(line)
