"""Describes a usage error in both languages; the parser itself speaks English alone.

Pure. The parser's classes are private to typer, so they are told apart by their names and words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cli.failures import Failure
from deploy.local.exit_codes import ExitCode

_WORDS: Mapping[str, str] = {
    r"No such command '(?P<a>.*?)'\.?": "没有命令 {a}",
    r"No such command '(?P<a>.*?)'\. Did you mean (?P<b>.*)\?": "没有命令 {a}；是否为 {b}？",
    r"Missing command\.": "缺少命令",
    r"No such option: (?P<a>\S+)": "没有选项 {a}",
    r"No such option: (?P<a>\S+) \(Possible options: (?P<b>.*)\)": "没有选项 {a}；是否为 {b}？",
    r"Missing argument '(?P<a>.*?)'\..*": "缺少参数 {a}",
    r"Missing option '(?P<a>.*?)'\..*": "缺少选项 {a}",
    r"Option '(?P<a>.*?)' requires .*": "选项 {a} 后面要写值",
    r"Option '(?P<a>.*?)' does not take a value\.": "选项 {a} 后面不写值",
    r"Got unexpected extra arguments?\S* \((?P<a>.*)\)": "多写了 {a}",
}
_VALUES: Mapping[str, str] = {
    r"(?:\w+) '?(?P<a>.*?)'? does not exist\.": "没有文件 {a}",
    r"(?:\w+) '?(?P<a>.*?)'? is a directory\.": "{a} 是文件夹，不是文件",
    r"(?:\w+) '?(?P<a>.*?)'? is a file\.": "{a} 是文件，不是文件夹",
    r"(?:\w+) '?(?P<a>.*?)'? is not readable\.": "读不了 {a}",
    r"(?:\w+) '?(?P<a>.*?)'? is not writable\.": "不能写到 {a}",
}
_CHOICE = re.compile(r"(?:Value error, )?(?P<a>.*) is not one of (?P<b>.*)\.")


def describe_usage(error: Any) -> Failure:  # noqa: ANN401 - typer's own errors are private
    """Describe a usage error of the parser, or a bilingual error that a command raised itself."""
    en = str(error.format_message())
    own_zh, dot, own_en = str(error.message).partition(" · ")
    param = getattr(error, "param", None)
    hint = str(getattr(error, "param_hint", None) or (param.get_error_hint() if param else ""))
    hint = hint.strip("'")
    if dot:
        zh, en = (f"{hint}：{own_zh}", f"{hint}: {own_en}") if hint else (own_zh, own_en)
    elif param is not None and error.message:
        zh, en = _describe_value(error, hint, en)
    else:
        zh = _find(_WORDS, en) or "命令写得不对"
    details: tuple[str, ...] = ()
    if error.ctx is not None:
        details = (
            f"用法 · {error.ctx.get_usage().strip()}",
            f"帮助 · help: {error.ctx.command_path} -h",
        )
    return Failure(
        code="usage_invalid", zh=zh, en=en.rstrip("."), exit_code=ExitCode.USAGE, details=details
    )


def _describe_value(error: Any, name: str, en: str) -> tuple[str, str]:  # noqa: ANN401 - as above
    from pydantic import ValidationError  # noqa: PLC0415 - only failures need it

    from models.texts.validation import describe_broken  # noqa: PLC0415 - the same
    from models.texts.words import name_value  # noqa: PLC0415 - the same

    told = str(error.message)
    choice = _CHOICE.fullmatch(told)
    if choice is not None:
        given = choice["a"].strip("'")
        codes = re.findall(r"'([^']*)'", choice["b"])
        known = "、".join(name_value(code) for code in codes)
        return f"{name} 不能写“{given}”，只能是其中之一：{known}", (
            f"{name} cannot be {given}: one of {', '.join(codes)}"
        )
    if isinstance(error.__cause__, ValidationError):
        text = describe_broken(error.__cause__.errors(include_url=False)[0])
        return f"{name}：{text.zh}", f"{name}: {text.en}"
    zh = _find(_VALUES, told)
    return (f"{name}：{zh}" if zh else f"{name} 写得不对"), en


def _find(words: Mapping[str, str], en: str) -> str | None:
    for pattern, zh in words.items():
        found = re.fullmatch(pattern, en)
        if found is not None:
            return zh.format_map(
                {name: text.replace("'", "") for name, text in found.groupdict().items()}
            )
    return None
