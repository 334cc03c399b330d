"""Embedded services of other state folders that run on this machine.

A second, empty system beside the system in use looks as if all data of the first were lost.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from deploy.local.kafka import NODE_MARK


def list_other_systems(state: Path) -> list[Path]:
    """Return the state folders, other than `state`, whose Kafka runs now."""
    own = state.resolve()
    found: set[Path] = set()
    for process in psutil.process_iter(["cmdline"]):
        for argument in process.info["cmdline"] or ():
            if argument.startswith(NODE_MARK):
                # <state>/kafka/node-1
                found.add(Path(argument.removeprefix(NODE_MARK)).parent.parent)
    return sorted(found - {own})
