#!/usr/bin/env bash
# python-calamine 0.9.1: a cell that shows an error (#N/A, #DIV/0!) is read as '', exactly like an empty cell.
# Seen: [['bag', 'status'], ['b1', ''], ['b2', '']] where b1's status shows #N/A and b2's is empty.
# Why it matters: a status column filled by a look-up that failed looks like a status that nobody wrote, so a reader that
# takes "nothing written" for "nothing against it" would release the bag.
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
sheet.write_row(0, 0, ["bag", "status"])
sheet.write_string(1, 0, "b1")
sheet.write_formula(1, 1, "=NA()", None, "#N/A")
sheet.write_string(2, 0, "b2")
sheet.write_formula(3, 1, "=1/0", None, "#DIV/0!")
book.close()
held.seek(0)
rows = CalamineWorkbook.from_filelike(held).get_sheet_by_index(0).to_python()
print(rows)
assert rows == [["bag", "status"], ["b1", ""], ["b2", ""], ["", ""]], rows
PY
