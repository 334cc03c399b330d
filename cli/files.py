"""Files that people name: reads uploads, finds their kind, and writes results.

The place of a result is checked before any work is done for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import ContractError
from models.strict_json import drop_mark, load_strictly

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
        raise ContractError(
            "file_unreadable", path=str(path), detail=str(error.strerror)
        ) from error


def read_json(path: Path) -> tuple[bytes, Any]:
    """Read a JSON file, UTF-8; `-` is standard input.

    Returns:
        Its bytes without a byte order mark, and the decoded value.

    Raises:
        ContractError: `file_unreadable`, `file_not_utf8`, `file_not_json`, `field_twice`.
    """
    raw = sys.stdin.buffer.read() if str(path) == "-" else read_upload(path)
    try:
        return drop_mark(raw), load_strictly(raw)
    except ContractError as error:
        code = _OF_FILES.get(error.code)
        if code is None:
            raise
        raise ContractError(code, path=str(path), **error.params) from error


_OF_FILES: Mapping[str, str] = {"body_not_utf8": "file_not_utf8", "body_not_json": "file_not_json"}
"""Code of a faulty body to the code whose text speaks of a file."""


def find_kind(path: Path) -> str:
    """Return the media type of a file, by its name.

    Raises:
        ContractError: `file_kind_unknown`.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ContractError("file_kind_unknown", path=str(path), known=", ".join(sorted(KINDS)))
    return kind


def ensure_writable(path: Path) -> None:
    """Check that a file can be written; nothing is changed.

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
    """Check that files can be written into a folder, or that it can be made; nothing is changed.

    Raises:
        ContractError: `folder_not_writable`.
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ContractError("folder_not_writable", path=str(folder))


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file.

    Raises:
        ContractError: `file_not_writable`: it failed in spite of the check.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ContractError("file_not_writable", path=str(path)) from error
