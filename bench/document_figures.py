"""`python -m bench.document_figures RESULT DOCUMENT`: put a result's figures into a document.

The document marks the place with `<!-- result:TARGET -->` and `<!-- end -->`; what stands between
is replaced. So a document never holds a figure that no command printed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any


def to_table(result: dict[str, Any]) -> str:
    """Return a Markdown table of the checks, with the machine, the commit and the date."""
    machine = result["machine"]
    taken = f"{result['started_at'][:10]}, commit `{result['commit']}`"
    lines = [
        f"{taken}, {machine['cores']} cores, Python {machine['python']}.",
        "",
        "| check | value | unit | goal | holds |",
        "|---|---:|---|---|---|",
    ]
    for check in result["checks"]:
        goal = str(check["goal"] or "")
        holds = "" if not goal else ("yes" if check["holds"] else "**no**")
        value = f"{check['value']:,.2f}".rstrip("0").rstrip(".")
        lines.append(f"| `{check['name']}` | {value} | {check['unit']} | {goal} | {holds} |")
    return "\n".join(lines)


def quote(document: str, result: dict[str, Any]) -> str:
    """Return the document with the marked place filled.

    Raises:
        ValueError: It does not have exactly one such place.
    """
    start, end = f"<!-- result:{result['target']} -->", "<!-- end -->"
    pattern = re.compile(re.escape(start) + r".*?" + re.escape(end), re.DOTALL)
    filled, count = pattern.subn(lambda _: f"{start}\n{to_table(result)}\n{end}", document)
    if count != 1:
        raise ValueError(f"{count} places marked {start}, 1 is needed")
    return filled


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.document_figures", description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("document", type=Path)
    asked = parser.parse_args()
    result = json.loads(asked.result.read_text(encoding="utf-8"))
    filled = quote(asked.document.read_text(encoding="utf-8"), result)
    asked.document.write_text(filled, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
