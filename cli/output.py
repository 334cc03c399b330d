"""The output of commands: tables and lines for people, one JSON document for programs.

With `--json`, standard output carries that document (or JSON lines) and nothing else; notes and
progress go to standard error. Must not decide anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cli.failures import Failure

_JSON_WANTED = "xuelian.json"


def remember_json(context: typer.Context, value: bool) -> bool:
    """Keep `--json` on the context, because failures are printed outside of the command."""
    if value:
        context.meta[_JSON_WANTED] = True
    return value


JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        callback=remember_json,
        is_eager=True,
        help="只输出 JSON · print JSON and nothing else",
        show_default=False,
    ),
]


def is_json_wanted(context: Any) -> bool:  # noqa: ANN401 - typer's own context type is private
    return bool(context.meta.get(_JSON_WANTED))


class Output:
    """Where one command prints to.

    Args:
        as_json: Whether standard output is for programs.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def document(self, value: object) -> None:
        """Print one JSON document; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(to_json(value, indent=2) + "\n")
            sys.stdout.flush()

    def json_line(self, value: object) -> None:
        """Print one JSON line; nothing without `--json`."""
        if self.as_json:
            sys.stdout.write(to_json(value) + "\n")
            sys.stdout.flush()

    def say(self, text: str, *, style: str | None = None, end: str = "\n") -> None:
        """Print a line for people, with markup; nothing with `--json`."""
        if not self.as_json:
            console().print(text, highlight=False, style=style, soft_wrap=True, end=end)

    def plain(self, text: str) -> None:
        """Print a line as it is, to be copied: no markup, no wrapping; nothing with `--json`."""
        if not self.as_json:
            console().print(text, highlight=False, markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a line to standard error, with or without `--json`."""
        console(to_stderr=True).print(
            f"▸ {text}", highlight=False, markup=False, soft_wrap=True, style="yellow"
        )

    def table(self, table: Table) -> None:
        if self.as_json:
            return
        if not table.rows:
            self.say(f"{table.title}：没有 · none")
            return
        from cli.table_layout import fit  # noqa: PLC0415 - `--help` must not pay for it

        screen = console()
        # A table that does not fit becomes lines, which the terminal wraps or a pipe takes whole.
        screen.print(fit(table, screen.width), highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something long is going on; yield the function that changes the line.

        In a terminal it is a spinner with a line above it for each step that is done; elsewhere
        each step is a line. Always on standard error.
        """
        screen = console(to_stderr=True)
        if not screen.is_terminal:
            yield lambda step: screen.print(f"▸ {step}", highlight=False, markup=False)
            return
        with screen.status(text) as status:

            def report(step: str) -> None:
                screen.print(f"[green]▸[/] {step}", highlight=False)
                status.update(step)

            yield report


def console(*, to_stderr: bool = False) -> Console:
    """Return a console on the streams as they are now (tests and pipes replace them)."""
    from rich.console import Console  # noqa: PLC0415 - `--help` must not pay for it

    return Console(stderr=to_stderr)


def build_table(title: str, columns: Sequence[str | tuple[str, dict[str, Any]]]) -> Table:
    """Build a table in house style.

    Args:
        title: Chinese first.
        columns: Heads, or a head with options of `rich.Table.add_column`.
    """
    from rich import box  # noqa: PLC0415 - `--help` must not pay for it
    from rich.table import Table  # noqa: PLC0415 - the same

    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in columns:
        head, options = (column, {}) if isinstance(column, str) else column
        table.add_column(head, **options)
    return table


def add_rows(table: Table, rows: Iterable[Sequence[object]]) -> Table:
    """Add rows of plain values; markup in them is shown as it is."""
    from rich.text import Text  # noqa: PLC0415 - `--help` must not pay for it

    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(show(cell)) for cell in row))
    return table


def show(value: object) -> str:
    """Return a value as people read it: None as a dash, an instant in Beijing's time, named."""
    if value is None or value == "":
        return "–"
    from models.texts.instants import (  # noqa: PLC0415 - `--help` must not pay for it
        ZONE_ZH,
        find_instant,
        show_moment,
    )

    at = find_instant(value)
    if at is not None:
        return f"{show_moment(at, now=_now())} {ZONE_ZH}"
    return str(value)


def show_code(code: str) -> str:
    """Return a wire code behind its Chinese name, if it has one: `悬浮红细胞 · red_cells`."""
    from models.texts.words import (  # noqa: PLC0415 - `--help` must not pay for it
        list_value_names,
    )

    named = list_value_names().get(code)
    return f"{named} · {code}" if named else code


def show_instant(text: str | None) -> str:
    """Return an ISO 8601 instant of the gateway in Beijing's time."""
    return show(datetime.fromisoformat(text)) if text else "–"


def show_expiry(text: str | None) -> str:
    """Return an expiry as its label has it: the end of a day is 24:00 of that day."""
    from models.texts.instants import (  # noqa: PLC0415 - `--help` must not pay for it
        ZONE_ZH,
        show_moment,
    )

    if not text:
        return "–"
    return f"{show_moment(datetime.fromisoformat(text), now=_now(), expiry=True)} {ZONE_ZH}"


def _now() -> datetime:
    """Return the wall clock's time; only its year is used, to leave out the current year."""
    return datetime.now(UTC)


def to_json(value: object, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_to_plain)


def _to_plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")


def print_failure(failure: Failure, *, as_json: bool) -> None:
    """Print a failure: a line on standard error, with `--json` a document on standard output."""
    if as_json:
        sys.stdout.write(to_json(failure.to_json(), indent=2) + "\n")
        return
    screen = console(to_stderr=True)
    text = failure.zh if failure.zh == failure.en else f"{failure.zh} · {failure.en}"
    screen.print("[bold red]✗[/]", end=" ")
    screen.print(text, highlight=False, markup=False, soft_wrap=True)
    for line in failure.details:
        screen.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
