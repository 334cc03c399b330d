"""Files that people give to be uploaded: their bytes, and what kind they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.errors import ContractError

KINDS: Mapping[str, str] = {
    ".csv": "text/csv",
    ".txt": "text/csv",
    ".json": "application/json",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xls": "application/vnd.ms-excel",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}
"""Suffix to media type."""


def read_upload(path: Path) -> bytes:
    """Read a file.

    Raises:
        ContractError: `file_unreadable`.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContractError("file_unreadable", path=str(path), cause=str(error)) from error


def tell_kind(path: Path) -> str:
    """Return the media type of a file, by its name.

    Raises:
        ContractError: `file_kind_unknown`.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ContractError("file_kind_unknown", path=str(path), known=", ".join(sorted(KINDS)))
    return kind
