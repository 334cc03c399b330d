"""Opens files as sheets of cells: CSV in the charsets in use, and spreadsheets.

Pure: it turns bytes into cells and does not interpret values. A spreadsheet may unpack to many
times its size, so its unpacked size is checked first.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from itertools import islice

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from gateway.files.cells import Cell
from gateway.files.columns import count_headings
from gateway.files.merged_cells import Merged, fill_merged
from models.errors import ContractError

Cells = tuple[int, Sequence[Cell | None]]
"""The number of a row as a spreadsheet counts it, from 1, and its cells; an empty cell is None or
empty."""

MAX_UNPACKED_BYTES = 300_000_000
"""At about 100 bytes per cell, 100,000 rows of 20 columns unpack to less than this."""

_CHARSETS = ("utf-8", "gb18030")
"""Tried in this order where none is named. A file that is not UTF-8 is usually from Chinese office
software, which writes GB18030."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


CSV = "text/csv"
JSON = "application/json"
WORKBOOKS = frozenset(
    {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    }
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet; a CSV is a sheet without a name. Its rows can be read only once.

    Attributes:
        rows: The rows; raises `UnreadableRowError` where a text stops being a CSV.
    """

    name: str
    rows: Iterator[Cells]


def open_file(raw: bytes, content_type: str) -> list[Sheet] | None:
    """Open a file by its content type, which may name a charset; None for JSON.

    Raises:
        ContractError: `media_type_unknown`, and as `decode_file` and `open_workbook` do.
    """
    head = Message()
    head["content-type"] = content_type
    kind, charset = head.get_content_type(), head.get_param("charset")
    if kind == CSV:
        return open_csv(decode_file(raw, charset=str(charset) if charset else None))
    if kind in WORKBOOKS:
        return open_workbook(raw)
    if kind == JSON:
        return None
    known = ", ".join([CSV, JSON, *sorted(WORKBOOKS)])
    raise ContractError("media_type_unknown", found=kind[:60], known=known)


def decode_file(raw: bytes, *, charset: str | None = None) -> str:
    """Decode a text file; a byte-order mark is dropped.

    Args:
        raw: The file.
        charset: The charset that the sender names. None detects it: by the byte-order mark, else
            UTF-8, else GB18030.

    Raises:
        ContractError: `charset_unknown`: there is no such charset, or the bytes are not in it.
    """
    marked = next((name for mark, name in _BOMS if raw.startswith(mark)), None)
    tried = (charset,) if charset else (marked,) if marked else _CHARSETS
    for name in tried:
        try:
            return raw.decode(name).removeprefix("\ufeff")
        except (LookupError, UnicodeDecodeError):
            continue
    raise ContractError("charset_unknown", charset=(charset or " / ".join(tried))[:40])


HEAD_WITHIN = 10
"""The head is looked for in so many rows, since a title, a date and the station's name may be above
it."""

_HEAD_CHARACTERS = 100_000
"""Characters in which the head is looked for: ten rows are shorter, and a file that is a single
endless line is not read several times."""


def open_csv(text: str) -> list[Sheet]:
    """Open a CSV; its delimiter is the comma, semicolon or tab of its head."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_find_delimiter(text))

    def rows() -> Iterator[Cells]:
        try:
            for cells in reader:
                # The line where the row ends; for a row without line breaks, an editor shows the
                # same number.
                yield reader.line_num, cells
        except csv.Error as error:
            raise UnreadableRowError(reader.line_num, str(error)) from error

    return [Sheet("", rows())]


def _find_delimiter(text: str) -> str:
    """Return the delimiter that splits a row near the top into most headings, else most cells.

    A title above the head does not show the delimiter of the table.
    """
    top = text[:_HEAD_CHARACTERS]
    return max(",;\t", key=lambda delimiter: _judge_head(top, delimiter))


def _judge_head(top: str, delimiter: str) -> tuple[int, int]:
    reader = csv.reader(io.StringIO(top, newline=""), delimiter=delimiter)
    try:
        rows = list(islice(reader, HEAD_WITHIN))
    except csv.Error:
        return (0, 0)
    headings, cells = zip((0, 0), *((count_headings(row), len(row)) for row in rows), strict=True)
    return max(headings), max(cells)


class UnreadableRowError(Exception):
    """From this row on, the text is not a CSV."""

    def __init__(self, row: int, detail: str) -> None:
        self.row = row
        self.detail = detail
        super().__init__(f"row {row}: {detail}")


def open_workbook(raw: bytes) -> list[Sheet]:
    """Open a spreadsheet (.xlsx, .xls, .ods); hidden sheets and charts are left out.

    Raises:
        ContractError: `workbook_unreadable`, `workbook_too_large` once unpacked, or
            `workbook_merged`: rows share a merged cell, and the format does not show which rows.
    """
    _ensure_bounded(raw)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(raw))
        return [
            Sheet(meta.name, _rows_of(book, meta.name))
            for meta in book.sheets_metadata
            if meta.visible == SheetVisibleEnum.Visible and meta.typ == SheetTypeEnum.WorkSheet
        ]
    except (CalamineError, OSError, ValueError) as error:
        raise ContractError("workbook_unreadable", detail=str(error)[:200]) from error


def _rows_of(book: CalamineWorkbook, name: str) -> Iterator[Cells]:
    """Yield the rows with the numbers that a spreadsheet program shows for them."""
    sheet = book.get_sheet_by_name(name)
    start = sheet.start
    if start is None:
        return
    rows = enumerate(sheet.iter_rows(), start=1)
    merged = [
        Merged(first_row + 1, first - start[1], last_row + 1, last - start[1])
        for (first_row, first), (last_row, last) in sheet.merged_cell_ranges or ()
        if first >= start[1]
    ]
    yield from fill_merged(rows, merged) if merged else rows


_OPEN_DOCUMENT = "content.xml"
_ROWS_SPANNED = re.compile(rb"number-rows-spanned=[\"'](?!1[\"'])")
_CHUNK = 1 << 20
_LONGEST_MATCH = 64


def _ensure_bounded(raw: bytes) -> None:
    """Check the unpacked size of a packed file before it is unpacked."""
    if not raw.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise ContractError("workbook_too_large", found=unpacked, limit=MAX_UNPACKED_BYTES)
            if _OPEN_DOCUMENT in packed.namelist() and _has_merged_rows(packed):
                raise ContractError("workbook_merged")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise ContractError("workbook_unreadable", detail=str(error)[:200]) from error


def _has_merged_rows(packed: zipfile.ZipFile) -> bool:
    """Return whether a cell of an OpenDocument sheet covers several rows.

    The reader does not say so.
    """
    before = b""
    with packed.open(_OPEN_DOCUMENT) as content:
        while chunk := content.read(_CHUNK):
            if _ROWS_SPANNED.search(before + chunk):
                return True
            before = chunk[-_LONGEST_MATCH:]
    return False
