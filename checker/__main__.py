"""`python -m checker`: check a running system; report in a table, a file and the exit code.

Exit codes: 0 every check holds, 1 at least one does not, 2 the system could not be read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError
from rich.console import Console

from checker.donor_laws import NATIONAL, REGIONS, Law, read_law_file
from checker.report import Report
from checker.run import check
from checker.sent_log import SentLogError


def main(arguments: list[str] | None = None) -> int:
    """Run from a command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        with console.status("核查中 · checking"):
            report = asyncio.run(
                check(
                    kafka_bootstrap=options.kafka,
                    postgres_dsn=options.postgres,
                    sent=options.sent,
                    as_of=options.as_of,
                    laws=_find_laws(options.region, options.law_file),
                )
            )
    except (KafkaError, asyncpg.PostgresError, OSError, SentLogError) as error:
        console.print(f"[red]无法读取 · cannot be read:[/red] {type(error).__name__}: {error}")
        return 2
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps(report.to_json(), ensure_ascii=False, indent=2), encoding="utf-8"
        )
    _print(report, Console())
    return 0 if report.holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m checker",
        description="独立核查：对照已发日志、Kafka 与 PostgreSQL · "
        "check the sent log, Kafka and PostgreSQL against each other",
    )
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT", help="Kafka 地址 · brokers")
    parser.add_argument("--postgres", required=True, metavar="DSN", help="postgresql://…")
    parser.add_argument("--sent", type=Path, help="已发日志 · sent log, JSON lines")
    parser.add_argument("--as-of", type=_instant, help="核查时刻 · instant, ISO 8601 with zone")
    parser.add_argument(
        "--region", default=None, metavar="CN-HI", choices=sorted(REGIONS), help="地区 · region"
    )
    parser.add_argument("--law-file", type=Path, help="本站的地区法文件 · a station's law file")
    parser.add_argument("--json", type=Path, metavar="OUT", help="写出结果 · write the result")
    return parser


def _find_laws(region: str | None, law_file: Path | None) -> tuple[Law, ...]:
    """Return the laws of the region; a station's own file is stronger, and names its region."""
    if law_file is None:
        return REGIONS[region or "CN"]
    of, law = read_law_file(law_file)
    return (*REGIONS.get(region or of, NATIONAL), law)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError("需带时区 · needs a time zone")
    return instant


def _print(report: Report, console: Console) -> None:
    console.print(report.to_table())
    for failed in report.list_failed():
        console.print(f"\n[bold red]{failed.title}[/bold red]")
        for example in failed.examples[:5]:
            console.print(f"  {example.subject}: {example.told}", markup=False)
    read = ", ".join(f"{count:,} {name}" for name, count in report.read.items())
    console.print(f"\n已读 · read: {read}")
    if report.holds:
        console.print("[green]全部通过 · every check holds[/green]")
    else:
        console.print(f"[bold red]{len(report.list_failed())} 项不通过 · checks fail[/bold red]")


if __name__ == "__main__":
    sys.exit(main())
