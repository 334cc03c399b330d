"""Describes each event of the feed in one line: who, what, how many, in Chinese and English.

Pure. An event of a type that is not known here, such as a newer gateway may send, is described by
its subject; a field that is missing leaves its place empty and never fails a line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Body = Mapping[str, Any]
Words = tuple[str, str]

_COMPONENTS = {
    "red_cells": "红细胞",
    "washed_red_cells": "洗涤红细胞",
    "frozen_red_cells": "冰冻红细胞",
    "deglycerolised_red_cells": "去甘油红细胞",
    "platelets": "单采血小板",
    "platelet_concentrate": "浓缩血小板",
    "pooled_platelets": "混合血小板",
    "apheresis_granulocytes": "单采粒细胞",
    "fresh_frozen_plasma": "新鲜冰冻血浆",
    "frozen_plasma": "冰冻血浆",
    "cryoprecipitate": "冷沉淀",
    "whole_blood": "全血",
}
_OUTCOMES = {
    "reserved": ("全部预留", "all reserved"),
    "partly_reserved": ("部分预留", "partly reserved"),
    "partly_refused": ("部分不供，其余已预留", "a part is not supplied, the rest is reserved"),
    "waiting": ("等待血液", "waiting"),
    "deferred": ("暂缓，留给更急的病人", "put off for graver need"),
    "refused": ("无法供应", "cannot be supplied"),
    "cancelled": ("已取消", "cancelled"),
    "expired": ("已过期", "expired"),
    "partly_fulfilled": ("部分送达，其余未供", "a part arrived, the rest was not supplied"),
    "fulfilled": ("已完成", "fulfilled"),
}
_LEVELS = {
    "red": ("红色", "red"),
    "orange": ("橙色", "orange"),
    "yellow": ("黄色", "yellow"),
    "green": ("绿色", "green"),
}


def describe_event(event: Mapping[str, Any]) -> Words:
    """Return what happened, in both languages."""
    write = _WRITERS.get(str(event.get("type")))
    body = event.get("data")
    if write is None or not isinstance(body, Mapping):
        subject = str(event.get("subject", ""))
        return subject, subject
    return write(body)


def _decided(body: Body) -> Words:
    decision = body.get("decision", {})
    zh, en = _OUTCOMES.get(decision.get("outcome", ""), (decision.get("outcome", ""),) * 2)
    lines = decision.get("lines", ())
    asked = sum(line.get("requested", 0) for line in lines)
    given = sum(len(line.get("reserved", ())) for line in lines)
    missing = sum(line.get("uncovered", 0) for line in lines)
    refused = sum(line.get("refused", 0) for line in lines)
    told_zh, told_en = [f"预留 {given}/{asked}"], [f"{given} of {asked} reserved"]
    if missing:
        told_zh.append(f"缺 {missing}")
        told_en.append(f"{missing} missing")
    if refused:
        told_zh.append(f"不能供应 {refused}")
        told_en.append(f"{refused} refused")
    groups = Counter(
        (unit.get("component", ""), unit.get("group", ""))
        for line in lines
        for unit in line.get("reserved", ())
    )
    blood = "、".join(
        f"{name_of(component)} {group} ×{n}" for (component, group), n in groups.items()
    )
    head = f"{decision.get('hospital_id', '')} ← {decision.get('station_id', '')}"
    request = decision.get("request_id", "")
    times = decision.get("version", "")
    words = f"{head} 申请 {request} 第 {times} 次决定：{zh}，{'，'.join(told_zh)}"
    if blood:
        words += f"（{blood}）"
    return words, f"request {request}: {en}, {', '.join(told_en)}"


def _recalled(body: Body) -> Words:
    count = len(body.get("units", ()))
    holder, donation = body.get("holder_id", ""), body.get("donation_id", "")
    used, reason = len(body.get("transfused", ())), body.get("reason", "")
    return (
        f"召回：献血 {donation}，{holder} 持有 {count} 袋，已输注 {used} 袋：{reason}",
        f"recall of {donation}: {holder} has {count} units, {used} transfused",
    )


def _activation(zh: str, en: str) -> Callable[[Body], Words]:
    def write(body: Body) -> Words:
        found = body.get("activation", {})
        needs = "、".join(
            f"{name_of(need.get('component', ''))} {need.get('units', '')}"
            for need in found.get("needs", ())
        )
        drill = "（演习）" if found.get("exercise") else ""
        station, donors = found.get("station_id", ""), found.get("donors_wanted", 0)
        what = f"{zh}{drill} {found.get('event_key', '')}"
        return (
            f"{station} {what}：需 {needs or '–'}，献血者 {donors} 人",
            f"{station}: activation {en}, {donors} donors wanted",
        )

    return write


def _unanswered(body: Body) -> Words:
    zh, en = _reasons(body.get("reasons", ()))
    event = body.get("event_key", "")
    held_zh, held_en = (
        ("被搁置", "held") if body.get("held") else ("无人响应", "answered by nobody")
    )
    return f"灾情 {event} {held_zh}：{zh}", f"alert {event} is {held_en}: {en}"


def _donors_missing(body: Body) -> Words:
    station, missing = body.get("station_id", ""), body.get("missing", 0)
    wanted, callable_ = body.get("wanted", 0), body.get("callable", 0)
    return (
        f"{station} 需 {wanted} 份献血，可叫 {callable_} 人，缺 {missing}，请向上求援",
        f"{station}: {wanted} donations wanted, {callable_} callable, {missing} missing",
    )


def _group_differs(body: Body) -> Words:
    station, unit = body.get("station_id", ""), body.get("unit_id", "")
    donor = body.get("donor_id", "")
    return (
        f"{station} 血袋 {unit} 的血型与献血者 {donor} 的登记不同，待查明",
        f"{station}: {unit} bears another group than donor {donor}, to be settled",
    )


def _called(body: Body) -> Words:
    calls, station = len(body.get("calls", ())), body.get("station_id", "")
    wave, wanted = body.get("wave", ""), body.get("donations_wanted", "")
    return (
        f"{station} 召集第 {wave} 轮：{calls} 人，需 {wanted} 份",
        f"{station}: wave {wave}, {calls} donors called",
    )


def _calls_closed(body: Body) -> Words:
    calls, station = len(body.get("call_out_ids", ())), body.get("station_id", "")
    status = body.get("status", "")
    zh = {"stood_down": "不必再来", "no_answer": "没有回答", "no_show": "没有到来"}.get(
        status, status
    )
    return f"{station} 召集结束：{calls} 人{zh}", f"{station}: {calls} calls closed, {status}"


def _shortage(zh: str, en: str) -> Callable[[Body], Words]:
    def write(body: Body) -> Words:
        found = body.get("shortage", {})
        level_zh, level_en = _LEVELS.get(found.get("level", ""), ("", ""))
        station, group = found.get("station_id", ""), found.get("group", "")
        missing, waiting = found.get("units_missing", 0), found.get("uncovered_units", 0)
        component = found.get("component", "")
        blood = f"{name_of(component)} {group} {level_zh}"
        return (
            f"{station} {zh}：{blood}，缺 {missing}，患者等 {waiting}",
            f"{station}: {en}, {component} {group} {level_en}, {missing} missing",
        )

    return write


def _transfer(zh: str, en: str) -> Callable[[Body], Words]:
    def write(body: Body) -> Words:
        found = body.get("transfer", {})
        way = f"{found.get('from_station_id', '')} → {found.get('to_station_id', '')}"
        units = len(found.get("unit_ids", ()))
        minutes = round(found.get("eta_s", 0) / 60)
        return (
            f"{way} {zh}：{units} 袋，路程 {minutes} 分钟",
            f"{way}: {en}, {units} units, {minutes} min",
        )

    return write


def _declined(body: Body) -> Words:
    way = f"{body.get('from_station_id', '')} → {body.get('to_station_id', '')}"
    zh, en = _reasons(body.get("reasons", ()))
    return f"{way} 支援未采用：{zh}", f"{way}: offer not taken: {en}"


def _sealed(body: Body) -> Words:
    chain, number = body.get("chain", ""), body.get("sequence", "")
    return f"{chain} 审计封印到第 {number} 行", f"audit of {chain} sealed up to row {number}"


def _refused(body: Body) -> Words:
    zh, en = _reasons([body.get("reason", {})])
    grave_zh, grave_en = ("危及生命的", "life-threatening ") if _is_grave(body) else ("", "")
    who = body.get("source") or "?"
    told = f"{grave_zh}记录被拒 {body.get('about') or ''}（{who}）：{zh}"
    look = f"xuelian dlq show {body.get('dead_letter_id', '')}"
    return f"{told}；{look}", f"a {grave_en}record of {who} was refused: {en}"


def is_alarming(event: Mapping[str, Any]) -> bool:
    """Return whether a life may depend on somebody reading this line."""
    body = event.get("data")
    return isinstance(body, Mapping) and _is_grave(body)


def _is_grave(body: Body) -> bool:
    return bool(body.get("is_life_threatening"))


def _reasons(reasons: Iterable[Body]) -> Words:
    from cli.failures import render_code  # noqa: PLC0415 - texts load only where they are shown

    texts = [render_code(reason.get("code", ""), reason.get("params", {})) for reason in reasons]
    return "；".join(zh for zh, _ in texts), "; ".join(en for _, en in texts)


def name_of(component: str) -> str:
    """Return a component's Chinese name; an unknown code stays as it is."""
    return _COMPONENTS.get(component, component)


_WRITERS: Mapping[str, Callable[[Body], Words]] = {
    "blood.request.decided.v1": _decided,
    "blood.recall.notified.v1": _recalled,
    "blood.activation.opened.v1": _activation("启动应急", "opened"),
    "blood.activation.revised.v1": _activation("应急调整", "revised"),
    "blood.activation.stood-down.v1": _activation("应急解除", "stood down"),
    "blood.activation.donors-missing.v1": _donors_missing,
    "blood.alert.unanswered.v1": _unanswered,
    "blood.callout.group-differs.v1": _group_differs,
    "blood.callout.issued.v1": _called,
    "blood.callout.closed.v1": _calls_closed,
    "blood.shortage.declared.v1": _shortage("宣布短缺", "shortage declared"),
    "blood.shortage.changed.v1": _shortage("短缺变化", "shortage changed"),
    "blood.shortage.cleared.v1": _shortage("短缺解除", "shortage cleared"),
    "blood.transfer.agreed.v1": _transfer("调拨已定", "transfer agreed"),
    "blood.transfer.completed.v1": _transfer("调拨送达", "transfer completed"),
    "blood.offer.declined.v1": _declined,
    "blood.audit.sealed.v1": _sealed,
    "blood.record.refused.v1": _refused,
}
