"""Demos: a historical disaster, driven through the whole system by its public interfaces.

The command line calls one function::

    run_demo(
        *, name: str, state_dir: Path, out: Path = Path("build/demo"), json: bool = False
    ) -> int

`name` is a folder here (`dingri`). A demo brings its own Kafka, PostgreSQL, clock and keys,
below `state_dir`. `out` is the folder that the results go to; the function prints
its progress and results itself. The exit code is 0 only if every check holds.

A demo must not use the system's internals: it uses HTTP, the event stream and Kafka as any client.

Concurrency: one event loop, one task per actor.
"""

from demo.run import run_demo

__all__ = ["run_demo"]
