"""Files that people name: uploads, their bytes and kind, and where results are written.

Where a result goes is looked at before anything is done for it.
"""

from __future__ import annotations

import os
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


def ensure_writable(path: Path) -> None:
    """See that a file can be written, changing nothing.

    Raises:
        ContractError: `file_not_writable`.
    """
    if path.exists():
        good = path.is_file() and os.access(path, os.W_OK)
    else:
        good = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
    if not good:
        raise ContractError("file_not_writable", path=str(path))


def ensure_folder_writable(folder: Path) -> None:
    """See that files can be written into a folder, or that it can be made; nothing is changed.

    Raises:
        ContractError: `folder_not_writable`.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ContractError("folder_not_writable", path=str(folder))


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file.

    Raises:
        ContractError: `file_not_writable`: it could not be foreseen.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ContractError("file_not_writable", path=str(path)) from error
