"""The error for a broken rule over a whole value, by its code; the message file holds the text."""

from __future__ import annotations


class BrokenRuleError(ValueError):
    """Raised by validators of models; pydantic carries it to the code that answers the caller.

    Args:
        code: The code of the text in the message file.
        column: The field at fault.
        params: The values that the text names.
    """

    def __init__(self, code: str, column: str, /, **params: str | float) -> None:
        super().__init__(f"{column}: {code}")
        self.code = code
        self.column = column
        self.params = params
