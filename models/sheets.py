"""Files that people send, as sheets of cells: CSV in the charsets in use, and spreadsheets.

Pure: bytes in, cells out; no value is understood here. A spreadsheet may unpack to many times its
size, so its unpacked size is looked at first.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from models.cells import Cell
from models.errors import ContractError

Cells = tuple[int, Sequence[Cell | None]]
"""A row as a spreadsheet counts it, from 1, and its cells; an empty cell is None or empty."""

MAX_UNPACKED_BYTES = 300_000_000
"""Some 100 bytes a cell: 100,000 rows of 20 columns unpack to less than this."""

_CHARSETS = ("utf-8", "gb18030")
"""Tried in turn where nobody names one. What is no UTF-8 is Chinese office software's own."""

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet; a CSV is one without a name. Its rows are read once.

    Attributes:
        rows: Raises `UnreadableRowError` where a text stops being a CSV.
    """

    name: str
    rows: Iterator[Cells]


def decode_file(raw: bytes, *, charset: str | None = None) -> str:
    """Decode a text file; a byte-order mark is dropped.

    Args:
        raw: The file.
        charset: As its sender names it; None finds out: by its mark, else UTF-8, else GB18030.

    Raises:
        ContractError: `charset_unknown`: no such charset, or the bytes are not of it.
    """
    marked = next((name for mark, name in _BOMS if raw.startswith(mark)), None)
    tried = (charset,) if charset else (marked,) if marked else _CHARSETS
    for name in tried:
        try:
            return raw.decode(name).removeprefix("\ufeff")
        except (LookupError, UnicodeDecodeError):
            continue
    raise ContractError("charset_unknown", charset=(charset or " / ".join(tried))[:40])


def open_csv(text: str) -> list[Sheet]:
    """Open a CSV; parted by commas, semicolons or tabs, whichever its first line has most of."""
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)

    def rows() -> Iterator[Cells]:
        try:
            for cells in reader:
                # The line where the row ends: what an editor shows for a row without line breaks.
                yield reader.line_num, cells
        except csv.Error as error:
            raise UnreadableRowError(reader.line_num, str(error)) from error

    return [Sheet("", rows())]


class UnreadableRowError(Exception):
    """From this row on the text is no CSV."""

    def __init__(self, row: int, detail: str) -> None:
        self.row = row
        self.detail = detail
        super().__init__(f"row {row}: {detail}")


def open_workbook(raw: bytes) -> list[Sheet]:
    """Open a spreadsheet (.xlsx, .xls, .ods); hidden sheets and charts are left out.

    Raises:
        ContractError: `workbook_unreadable`, or `workbook_too_large` once unpacked.
    """
    _ensure_bounded(raw)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(raw))
        return [
            Sheet(told.name, _rows_of(book, told.name))
            for told in book.sheets_metadata
            if told.visible == SheetVisibleEnum.Visible and told.typ == SheetTypeEnum.WorkSheet
        ]
    except (CalamineError, OSError, ValueError) as error:
        raise ContractError("workbook_unreadable", detail=str(error)[:200]) from error


def _rows_of(book: CalamineWorkbook, name: str) -> Iterator[Cells]:
    """Yield the rows with the numbers that they have on the screen."""
    sheet = book.get_sheet_by_name(name)
    start = sheet.start
    if start is None:
        return
    yield from enumerate(sheet.iter_rows(), start=1)


def _ensure_bounded(raw: bytes) -> None:
    if not raw.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile as error:
        raise ContractError("workbook_unreadable", detail=str(error)[:200]) from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise ContractError("workbook_too_large", found=unpacked, limit=MAX_UNPACKED_BYTES)
