"""The page `docs/rules.md`: every rule with its values, units, kind, version and source.

`python -m cli.rules_page` writes it; a test holds the page equal to what this module says. The
words around the rules stand in `rules_page.md` beside it. Reads the package's rules only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.patients import Sex
from models.possible_times import MOST_AHEAD_D
from models.requests import MAX_QUANTITY, MAX_UNITS
from models.rules.citations import Reading, RuleKind
from models.rules.corrections import list_corrections
from models.rules.donor_laws import Law, list_packaged_laws
from models.rules.override_values import find_range
from models.rules.rulebook import PACKAGED, Rule, RuleValue
from streams.services.decision_timers import REQUEST_GRACE_S
from streams.services.request_decisions import NEED_STANDS_S
from streams.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rules.md"

KINDS = {
    RuleKind.LAW: "法律 · law",
    RuleKind.STANDARD: "标准 · standard",
    RuleKind.LOCAL: "本地 · local",
}
APPLIERS = {"xuelian": "血联 · Xuelian", "station": "血站 · station", "hospital": "医院 · hospital"}
READINGS = {
    Reading.READ: "读过原文 · read",
    Reading.SECOND_HAND: "转引 · second-hand",
    Reading.PROFESSIONAL: "专业知识 · professional knowledge",
}
UNITS = {
    "ABO group": "ABO 血型",
    "admission": "收治",
    "antigen": "抗原",
    "attribute": "属性",
    "call": "次召集",
    "class": "类",
    "component": "成分",
    "country": "国家",
    "day": "天",
    "day of supply": "供应天数",
    "donation": "次献血",
    "group": "血型",
    "h": "小时",
    "measure": "计量",
    "min": "分钟",
    "clock hour": "北京时间的钟点",
    "month": "月",
    "weight": "权重",
    "multiple": "倍",
    "order": "份申请",
    "part": "份",
    "person": "人",
    "result": "次结果",
    "road per great circle": "路程比直线",
    "s": "秒",
    "share": "比例",
    "share per km": "每公里比例",
    "fate": "处置",
    "run": "次检测",
    "test": "检测",
    "component per dose": "单位每治疗量",
    "day kept, by who waits": "保留天数，按谁在等",
    "theta, beta": "θ、β",
    "hundredth": "百分之一",
    "bag": "袋",
    "unit": "单位",
    "week": "周",
    "year": "岁",
    "yes/no": "是否",
    **dict.fromkeys(("°C", "g/L", "kg", "km", "km/h", "ml"), ""),
}
"""Chinese name of each unit of measure; empty where the sign is the same."""
FILES = {
    "compatibility": "相容性 · Compatibility",
    "antigens": "抗原与抗体 · Antigens and antibodies",
    "safety": "安全内核 · The safety kernel",
    "needs": "患者的特殊需要 · Needs of a patient",
    "components": "成分 · Components",
    "testing": "检验与放行 · Testing and release",
    "returns": "退回血 · Returned units",
    "issue": "配发 · Issue",
    "doses": "单位与治疗量 · Units and doses",
    "packs": "大量输血 · Massive transfusion",
    "donors": "献血者 · Donors",
    "disasters": "灾害 · Disasters",
    "shortages": "缺血 · Shortages",
    "figures": "上报指标 · Reported figures",
    "policies": "登记资料里的政策 · Policies in a record",
}

_TEMPLATE = Path(__file__).with_suffix(".md")


def describe_unit(unit: str) -> str:
    """Return a unit of measure in both languages."""
    return f"{UNITS[unit]} {unit}".strip()


def describe_value(value: object) -> str:
    """Return a value as people read it, without its unit of measure."""
    match value:
        case bool():
            return "是 yes" if value else "否 no"
        case float():
            return f"{value:g}"
        case [int() | float() as low, int() | float() as high]:
            return f"{low:g} – {high:g}"
        case list():
            return ", ".join(map(describe_value, value)) or "–"
        case dict():
            return "; ".join(f"{name} {describe_value(part)}" for name, part in value.items())
        case _:
            return str(value)


def describe_reading(rule: Rule) -> str:
    """Return how a rule's source was read and from when to when it holds, Chinese first."""
    since = "日期不详 · undated" if rule.since == "unknown" else f"自 since {rule.since}"
    until = f"；{rule.until} 起废止 · abolished from {rule.until}" if rule.until else ""
    return f"{READINGS[rule.read]}；{since}{until}"


def describe_law_days(law: Law) -> str:
    """Return from when to when a law holds, Chinese first."""
    if law.since is None:
        return "草案，未施行 · a draft, not in force"
    return f"{law.since} 起 from" + (f"，{law.until} 止 until" if law.until else "")


def describe_law_values(law: Law) -> str:
    """Return what a law says of donors; what it does not say is the country's."""
    told = []
    if law.interval is not None:
        spans = {
            who: law.interval.find_span(sex)
            for sex, who in ((Sex.MALE, "男 men"), (Sex.FEMALE, "女 women"))
        }
        words = {"months": "月 months", "days": "天 days"}
        told = [f"{who} {number} {words[unit]}" for who, (unit, number) in spans.items()]
    if law.age is not None:
        ages = law.age
        told.append(
            f"{ages.from_years}–{ages.to_years} 岁 years（再次 repeat {ages.repeat_to_years}）"
        )
    return "；".join(told) or "未读到，按全国规定 · not found: the country's hold"


def describe_may(rule: Rule, value: RuleValue) -> str:
    """Return what a station may do with a value, Chinese first."""
    terms = value.terms
    if rule.set_in:
        where = "血站登记资料" if rule.set_in == "station" else "医院登记资料"
        return f"{where} · the {rule.set_in}'s record"
    if terms.may is None:
        return "不可改 · fixed"
    keeps = f"（保留 · keep {', '.join(terms.keeps)}）" if terms.keeps else ""
    directions = {
        "narrower": "可收窄 · may be narrowed",
        "fewer": f"可减少 · names may be taken out{keeps}",
        "off": "可关闭 · may be switched off",
    }
    if terms.safer in directions:
        return directions[terms.safer]
    words = "可调严 · may be tightened" if terms.may == "tighten" else "可设 · may be set"
    least, most = find_range(value)
    return words if most == float("inf") else f"{words} {least:g}–{most:g}"


def build_page() -> str:
    """Build the whole page."""
    rules = PACKAGED.list_rules()
    sections = [_build_section(file, title) for file, title in FILES.items()]
    return _TEMPLATE.read_text(encoding="utf-8").format(
        version=PACKAGED.version,
        rules=len(rules),
        values=sum(len(rule.values) for rule in rules),
        confirm=sum(len(rule.confirm) for rule in rules),
        to_confirm=_build_to_confirm(),
        sections="\n".join(sections),
        laws="\n".join(_list_laws()),
        changes="\n".join(_list_changes()),
        hold_s=Settings.model_fields["hold_s"].default,
        grace_s=REQUEST_GRACE_S,
        need_s=NEED_STANDS_S,
        ahead_d=MOST_AHEAD_D,
        line=MAX_QUANTITY,
        request=MAX_UNITS,
    )


def _build_to_confirm() -> str:
    lines = ["| 规则 · rule | 数值与现值 · values now |", "|---|---|"]
    for rule in PACKAGED.list_rules():
        if rule.is_to_confirm:
            chosen = [value for value in rule.values if value.name in rule.confirm]
            told = "<br>".join(
                f"`{value.name}` {describe_value(value.value)} {describe_unit(value.terms.unit)}"
                for value in chosen
            )
            lines.append(f"| `{rule.rule_id}` {rule.zh} · {rule.en} | {told} |")
    return "\n".join(lines)


def _list_laws() -> Iterator[str]:
    yield "| 地区 · region | 法规 · law | 施行 · in force | 数值 · values ⚠ | 出处 · source |"
    yield "|---|---|---|---|---|"
    for law in list_packaged_laws():
        days, values = describe_law_days(law), describe_law_values(law)
        told = f"{READINGS[law.read]}：{law.source}"
        yield f"| {law.region} | `{law.law}` {law.zh} · {law.en} | {days} | {values} | {told} |"


def _list_changes() -> Iterator[str]:
    yield "| 规则 · rule | 原为 · before | 改为 · now | 为什么 · why | 出处 · source |"
    yield "|---|---|---|---|---|"
    for change in list_corrections():
        why = f"{change.zh} · {change.en}"
        told = f"{READINGS[change.read]}：{change.source}"
        yield f"| `{change.rule}` | {change.before} | {change.after} | {why} | {told} |"


def _build_section(file: str, title: str) -> str:
    lines = [f"## {title}", "", f"`models/rules/data/{file}.toml`, {PACKAGED.version}", ""]
    for rule in PACKAGED.list_rules():
        if rule.file == file:
            lines += _build_rule(rule)
    return "\n".join(lines)


def _build_rule(rule: Rule) -> Iterator[str]:
    yield f"### `{rule.rule_id}`"
    yield ""
    yield f"{rule.zh} · {rule.en}"
    yield ""
    yield f"- {KINDS[rule.kind]}；执行 · applied by: {APPLIERS[rule.applied_by]}"
    yield f"- 出处 · source: {rule.source}"
    yield f"- 出处如何读到 · how it was read: {describe_reading(rule)}"
    if rule.note:
        yield f"- 说明 · note: {rule.note}"
    yield ""
    if not rule.values:
        return
    yield "| 数值 · value | 现值 · now | 计量 · unit | 本站可否自定 · may a station set it |"
    yield "|---|---|---|---|"
    for value in rule.values:
        mark = " ⚠" if value.name in rule.confirm else ""
        now, unit = describe_value(value.value), describe_unit(value.terms.unit)
        yield f"| `{value.name}` | {now}{mark} | {unit} | {describe_may(rule, value)} |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
