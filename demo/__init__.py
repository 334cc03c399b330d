"""Demos: an event on real input, driven through the whole real system by its public interfaces.

The command line calls one function::

    run_demo(
        *, name: str, settings: Settings, out: Path = Path("build/demo"), json: bool = False
    ) -> int

`name` is a folder here (`dingri`). Of `settings` only `state_dir` counts: a demo brings its own
Kafka, PostgreSQL, clock and keys. `out` is the folder that the results go to; the function prints
for itself. The exit code is 0 only if every check holds.

A demo must not reach inside: it uses HTTP, the event stream and Kafka like everybody else.

Concurrency: one event loop, one task per actor.
"""

from demo.run import run_demo

__all__ = ["run_demo"]
