"""A rule over a whole value that was broken, by its code: the text stands in the message file."""

from __future__ import annotations


class BrokenRuleError(ValueError):
    """Raised by validators of models; pydantic carries it to whoever tells the caller.

    Args:
        code: Of the text in the message file.
        column: The field that is to blame.
        params: What the text names.
    """

    def __init__(self, code: str, column: str, /, **params: str | float) -> None:
        super().__init__(f"{column}: {code}")
        self.code = code
        self.column = column
        self.params = params
