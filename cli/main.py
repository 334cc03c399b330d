"""The `xuelian` command: its groups, and how every failure is reported.

Imports nothing heavy: `xuelian --help` answers within 0.3 s.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.arguments import guard
from cli.commands import (
    alerts_and_events,
    audit,
    columns,
    demo,
    dlq,
    doctor,
    donation,
    donors,
    example,
    explain,
    facilities,
    figures,
    hand_work,
    keys,
    overview,
    patients,
    processes,
    requests,
    rules,
    scans,
    setup,
    stock,
    up,
)
from cli.failures import describe_failure
from cli.output import is_json_wanted, print_failure
from cli.repeat_command import remember_words
from deploy.local.exit_codes import ExitCode

_DEBUG = "xuelian.debug"


class XuelianGroup(TyperGroup):
    """Turns any error that a command raises into one line and an exit code."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own
        super().__init__(**attributes)
        guard(self)

    def make_context(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - typer's own types are private
        remember_words(list(args[1] if len(args) > 1 else extra["args"]))
        try:
            return super().make_context(*args, **extra)
        except typer.TyperException as error:
            raise _translate_usage(error, as_json=False) from error

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's own context type is private
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except typer.TyperException as error:
            raise _translate_usage(error, as_json=is_json_wanted(ctx)) from error
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except Exception as error:
            failure = describe_failure(error)
            if ctx.meta.get(_DEBUG):
                traceback.print_exc(file=sys.stderr)
            print_failure(failure, as_json=is_json_wanted(ctx))
            raise typer.Exit(failure.exit_code) from error


def _translate_usage(error: typer.TyperException, *, as_json: bool) -> BaseException:
    """Describe a usage error in both languages; a group without a command shows its help."""
    if not hasattr(error, "format_message") or type(error).__name__ == "NoArgsIsHelpError":
        return error
    from cli.usage import describe_usage  # noqa: PLC0415 - only failures need it

    failure = describe_usage(error)
    print_failure(failure, as_json=as_json)
    return typer.Exit(failure.exit_code)


app = typer.Typer(
    name="xuelian",
    cls=XuelianGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="退出代码 · exit codes: 0 完成 done, 1 失败或被拒 failed or refused, 2 用法 usage, "
    "3 依赖不可用 a dependency is away, 4 配置 configuration",
)


@app.callback()
def root(
    context: typer.Context,
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="出错时显示出处 · show where an error came from")
    ] = False,
) -> None:
    """血联：急救用血调度 · Xuelian: emergency blood dispatch."""
    context.meta[_DEBUG] = debug


_WORK = "调度 · Dispatch"
app.command(rich_help_panel=_WORK)(overview.status)
app.add_typer(requests.app, name="request", rich_help_panel=_WORK)
app.add_typer(hand_work.app, name="hand", rich_help_panel=_WORK)
app.command(rich_help_panel=_WORK)(explain.explain)
app.add_typer(patients.app, name="patient", rich_help_panel=_WORK)
app.add_typer(stock.app, name="stock", rich_help_panel=_WORK)
app.add_typer(donation.app, name="donation", rich_help_panel=_WORK)
app.command(rich_help_panel=_WORK)(scans.scan)
app.add_typer(scans.labels, name="labels", rich_help_panel=_WORK)
app.add_typer(columns.app, name="columns", rich_help_panel=_WORK)
app.add_typer(alerts_and_events.alert, name="alert", rich_help_panel=_WORK)
app.command(rich_help_panel=_WORK)(alerts_and_events.shortages)
app.command(rich_help_panel=_WORK)(alerts_and_events.overdue)
app.add_typer(overview.call_outs, name="call-outs", rich_help_panel=_WORK)
app.add_typer(overview.transfers, name="transfers", rich_help_panel=_WORK)
app.add_typer(overview.activations, name="activations", rich_help_panel=_WORK)
app.command(rich_help_panel=_WORK)(figures.figures)
app.add_typer(alerts_and_events.events, name="events", rich_help_panel=_WORK)

_REGISTERS = "登记 · Registers"
app.add_typer(facilities.stations, name="station", rich_help_panel=_REGISTERS)
app.add_typer(facilities.hospitals, name="hospital", rich_help_panel=_REGISTERS)
app.add_typer(facilities.routes, name="route", rich_help_panel=_REGISTERS)
app.add_typer(donors.app, name="donor", rich_help_panel=_REGISTERS)

_SYSTEM = "本机 · This machine"
app.command(rich_help_panel=_SYSTEM)(up.up)
app.command(rich_help_panel=_SYSTEM)(example.init)
app.command(rich_help_panel=_SYSTEM)(demo.demo)
app.command(rich_help_panel=_SYSTEM)(doctor.doctor)
app.add_typer(setup.services, name="services", rich_help_panel=_SYSTEM)

_CARE = "维护 · Operations"
app.add_typer(rules.app, name="rules", rich_help_panel=_CARE)
app.add_typer(keys.app, name="keys", rich_help_panel=_CARE)
app.add_typer(dlq.app, name="dlq", rich_help_panel=_CARE)
app.add_typer(audit.app, name="audit", rich_help_panel=_CARE)
app.command(rich_help_panel=_CARE)(setup.migrate)
app.add_typer(setup.topics, name="topics", rich_help_panel=_CARE)

_SERVERS = "进程 · Processes"
app.command(rich_help_panel=_SERVERS)(processes.gateway)
app.command(rich_help_panel=_SERVERS)(processes.worker)
app.command(rich_help_panel=_SERVERS)(processes.relay)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    words = set(sys.argv[1:])
    if words and not words & {"-h", "--help", "--debug"}:
        from cli.logs import quiet_libraries  # noqa: PLC0415 - not for `--help`

        quiet_libraries()
    app()


if __name__ == "__main__":
    main()
