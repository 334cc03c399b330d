"""`xuelian keys`: create, list and revoke API keys, directly in PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.output import JsonOption, Output, add_rows, build_table, show_code

app = typer.Typer(no_args_is_help=True, help="密钥 · API keys: create, list, revoke.")


@app.command()
def create(
    scope: Annotated[
        Literal["hospital", "station", "neighbour", "dispatcher", "disaster"],
        typer.Argument(
            help="权限：医院、血站、邻站、调度、灾害源 · what it may do", show_default=False
        ),
    ],
    facility: Annotated[
        str | None,
        typer.Argument(
            help="它代表的医院或血站 · the hospital or station it speaks for", show_default=False
        ),
    ] = None,
    *,
    label: Annotated[str, typer.Option(help="给谁用 · who holds it")] = "",
    key_id: Annotated[
        str | None, typer.Option("--id", help="自选编号 · an identifier of your own")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """新建密钥；全文只显示这一次 · Make a key; its text is shown this once.

    例 · Examples:
      xuelian keys create dispatcher --label 值班
      xuelian keys create hospital dingri-county
      export XUELIAN_API_KEY=$(xuelian keys create dispatcher --json | jq -r .key)
    """
    from cli.keystore import (  # noqa: PLC0415 - heavy imports stand in the commands
        create_key,
        find_stranger,
    )
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    settings = load_resolved()
    # Looked up first: nothing may fail between making a key and printing its text.
    close = None if facility is None else find_stranger(settings, scope=scope, facility_id=facility)
    issued = create_key(
        settings, scope=scope, facility_id=facility, label=label or scope, key_id=key_id
    )
    out = Output(as_json=as_json)
    out.document(
        {
            "key_id": issued.key_id,
            "key": issued.text,
            "scope": scope,
            "facility_id": facility,
            "registered": close is None,
            "close_names": close or [],
        }
    )
    if close is not None:
        # A key may be made before its facility is registered, but a typing error must be noticed.
        kind = "hospital" if scope == "hospital" else "station"
        near = f"；相近的：{' '.join(close)} · close to it: {' '.join(close)}" if close else ""
        out.note(
            f"没有登记 {facility}，这个密钥现在什么也做不了 · {facility} is not registered: this "
            f"key can do nothing yet{near}；登记 · register: xuelian {kind} set {facility}"
        )
    if not as_json:
        out.say(f"[green]✓[/] 密钥 {issued.key_id} 已建 · key {issued.key_id} is made")
        out.plain(f"  export XUELIAN_API_KEY={issued.text}")
        out.say("  只显示这一次，请妥善保存 · shown once, keep it safe", style="yellow")


@app.command("list")
def list_(*, as_json: JsonOption = False) -> None:
    """列出密钥 · List keys; never their secrets.

    例 · Example:
      xuelian keys list
    """
    from cli.keystore import list_keys  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    keys = list_keys(load_resolved())
    out = Output(as_json=as_json)
    names = ("key_id", "scope", "facility_id", "label", "created_at", "revoked_at")
    out.document({"keys": [{name: getattr(key, name) for name in names} for key in keys]})
    table = build_table(
        f"密钥 {len(keys)} · keys",
        [
            "编号 · key",
            "权限 · scope",
            "机构 · facility",
            "说明 · label",
            "建于 · made",
            "吊销 · revoked",
        ],
    )
    rows = [
        [key.key_id, show_code(key.scope), *(getattr(key, name) for name in names[2:])]
        for key in keys
    ]
    out.table(add_rows(table, rows))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="密钥编号 · key id", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """吊销密钥；网关一分钟内拒绝它 · Revoke a key; gateways refuse it within a minute.

    例 · Example:
      xuelian keys revoke b985df5b05f0
    """
    from cli.keystore import revoke_key  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_resolved  # noqa: PLC0415 - the same

    revoke_key(load_resolved(), key_id)
    out = Output(as_json=as_json)
    out.document({"key_id": key_id, "revoked": True})
    if not as_json:
        out.say(f"[green]✓[/] 密钥 {key_id} 已吊销 · key {key_id} is revoked")
