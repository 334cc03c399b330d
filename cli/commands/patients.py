"""`xuelian patient`: what is remembered of a hospital's patients: show, tell, correct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.output import JsonOption, Output, show, show_instant
from cli.repeat_command import KeyOption

app = typer.Typer(no_args_is_help=True, help="病人的记录 · Patients: show, tell, correct.")

Hospital = Annotated[str, typer.Argument(help="医院 · hospital", show_default=False)]
Reference = Annotated[
    str, typer.Argument(help="医院自己的病人代号 · the hospital's pseudonym", show_default=False)
]
Names = Annotated[list[str] | None, typer.Option(show_default=False)]


@app.command("show")
def show_patient(hospital: Hospital, reference: Reference, *, as_json: JsonOption = False) -> None:
    """显示一位病人的记录 · Show what is remembered of a patient.

    例 · Example:
      xuelian patient show dingri-county case-118
    """
    out = Output(as_json=as_json)
    answer = _call("GET", hospital, reference)
    out.document(answer)
    if not as_json:
        _print(out, answer)


@app.command("tell")
def add(
    hospital: Hospital,
    reference: Reference,
    *,
    group: Annotated[str | None, typer.Option(help="血型，如 A+ · group, such as A+")] = None,
    basis: Annotated[
        str | None,
        typer.Option(help="怎么定的 · one_sample, two_samples, historical"),
    ] = None,
    antibody: Names = None,
    need: Names = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """补报血型、抗体、特殊需要；只增不减 · Tell group, antibodies, needs; nothing is taken away.

    例 · Example:
      xuelian patient tell dingri-county case-118 --group A+ --basis two_samples --antibody E
    """
    patient = _given({"group": group, "group_basis": basis, "antibodies": antibody})
    body = _given({"patient": patient or None, "special_needs": need})
    _change(hospital, reference, body, key=idempotency_key, as_json=as_json)


@app.command("correct")
def correct(
    hospital: Hospital,
    reference: Reference,
    *,
    person: Annotated[str, typer.Option(help="谁负责 · who answers for it", show_default=False)],
    reason: Annotated[str, typer.Option(help="为什么 · why", show_default=False)],
    group: Annotated[str | None, typer.Option(help="正确的血型 · the right group")] = None,
    antibody: Names = None,
    need: Names = None,
    antigen: Names = None,
    fact: Names = None,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    r"""裁定血型，撤回抗体、特殊需要或报错的事 · Settle the group; withdraw what was told in error.

    报错的事 · facts: transplant, rare_group, mother, antigen_negative, chronically_transfused.

    例 · Example:
      xuelian patient correct dingri-county case-118 --group A+ --person "Dr Tashi" \
        --reason "two new samples agree"
    """
    correction = _given(
        {
            "group": group,
            "withdrawn_antibodies": antibody,
            "withdrawn_needs": need,
            "withdrawn_antigens": antigen,
            "withdrawn_facts": fact,
            "person": person,
            "reason": reason,
        }
    )
    body = {"correction": correction}
    _change(hospital, reference, body, key=idempotency_key, as_json=as_json)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _change(
    hospital: str, reference: str, body: Mapping[str, Any], *, key: str | None, as_json: bool
) -> None:
    from cli.repeat_command import make_key, repeat_told  # noqa: PLC0415 - heavy imports stand in the commands

    out, key = Output(as_json=as_json), make_key(key)
    headers = {"Idempotency-Key": key, "Prefer": "wait=5"}
    with repeat_told({"--idempotency-key": key}):
        answer = _call("PATCH", hospital, reference, json=body, headers=headers)
    out.document(answer)
    if as_json:
        return
    if answer["status"] == "done":
        _print(out, _call("GET", hospital, reference))
    else:
        out.say("[yellow]…[/] 已受理，引擎尚未执行 · accepted, the engine has not acted yet")


def _call(
    method: str,
    hospital: str,
    reference: str,
    *,
    json: object = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    from cli.gateway import GatewayClient  # noqa: PLC0415 - heavy imports stand in the commands
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    path = f"/v1/hospitals/{hospital}/patients/{reference}"
    with GatewayClient(load_settings()) as gateway:
        return gateway.call(method, path, json=json, headers=headers)


def _print_facts(out: Output, known: Mapping[str, Any]) -> None:
    """Print what makes another group than the typed one count."""
    if known.get("rare_group"):
        out.plain(f"  稀有血型 · rare group: {known['rare_group']}")
    if known.get("chronically_transfused"):
        out.plain("  长期反复输血 · transfused again and again")
    if (transplant := known.get("transplant")) is not None:
        out.plain(
            f"  移植 · transplant: {transplant['donor_group']} → {transplant['recipient_group']}, "
            f"{transplant['phase']}"
        )
    if (mother := known.get("mother")) is not None:
        names = [*mother.get("antibodies", ()), *mother.get("platelet_antibodies", ())]
        group = mother.get("group") or "血型未知 · group unknown"
        out.plain(f"  母亲 · mother: {group}  {', '.join(names)}")


def _print(out: Output, record: Mapping[str, Any]) -> None:
    known = record["known"]
    disputed = known.get("disputed_groups")
    group = known.get("group") or "血型未知 · group unknown"
    out.say(f"[bold]{record['reference']}[/]  {group}  {record['hospital_id']}")
    if disputed:
        out.say(
            f"[red]![/] 血型矛盾 · groups differ: {' '.join(disputed)} — "
            "重新采样，由具名人员更正 · a new sample, and a correction by a named person"
        )
    for title, names in (
        ("抗体 · antibodies", known.get("antibodies")),
        ("血小板抗体 · platelet antibodies", known.get("platelet_antibodies")),
        ("HLA 抗体 · HLA antibodies", known.get("hla_antibodies")),
        ("患者所无的抗原 · the patient lacks", known.get("antigen_negative")),
        ("特殊需要 · special needs", record.get("special_needs")),
        ("须无的抗原 · antigens to lack", record.get("antigen_negative")),
    ):
        if names:
            out.plain(f"  {title}: {', '.join(names)}")
    _print_facts(out, known)
    for told in record.get("groups") or ():
        who = told.get("settled_by") or told.get("request_id") or ""
        basis = told.get("basis") or ""
        out.plain(f"  {show_instant(told['told_at'])}  {told['group']}  {basis}  {show(who)}")
    for made in record.get("corrections") or ():
        correction, at = made["correction"], show_instant(made["made_at"])
        out.plain(f"  {at}  更正 · corrected: {correction['person']}: {correction['reason']}")
