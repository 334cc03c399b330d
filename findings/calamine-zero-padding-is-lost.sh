#!/usr/bin/env bash
# python-calamine 0.9.1: the number format of a cell is used to tell dates from numbers, and is not handed on otherwise. A donation
# number kept as a number and shown with its leading zero (format 0000000000000) comes back as a float without it; nothing that the
# sheet object offers tells that a format was there.
# Seen: 543226000001.0 for a cell that a spreadsheet shows as 0543226000001.
# Why it matters: the number on the bag then finds nothing, so a column of identifiers must not hold numbers at all.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check python-calamine==0.9.1 xlsxwriter==3.3.1
"$work/venv/bin/python" - <<'PY'
import io

import xlsxwriter
from python_calamine import CalamineWorkbook

held = io.BytesIO()
book = xlsxwriter.Workbook(held)
sheet = book.add_worksheet("count")
sheet.write_number(0, 0, 543226000001, book.add_format({"num_format": "0000000000000"}))
book.close()
held.seek(0)
read = CalamineWorkbook.from_filelike(held).get_sheet_by_index(0)
offered = sorted(name for name in dir(read) if not name.startswith("_"))
print(read.to_python(), offered)
assert read.to_python() == [[543226000001.0]]
assert not any("format" in name or "style" in name for name in offered), offered
PY
