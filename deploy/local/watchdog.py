"""Detached process that stops the services when the process they were started for is gone.

Started as `python -m deploy.local.watchdog STATE`, so that a test run that is killed leaves no
server behind. It ends by itself when the services change owner or are stopped.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from deploy.local.embedded_services import EmbeddedServices
from deploy.local.server_processes import find_birth
from deploy.local.state import StateFolder

# Servers outlive a killed owner by this and the time of a clean stop.
_POLL_S = 0.5


def main() -> None:
    """Wait for the owner's end, then stop or destroy the services that it owned."""
    root = Path(sys.argv[1])
    state = StateFolder(root)
    record = state.find_record()
    owner = record.owner if record else None
    if owner is None:
        return
    while find_birth(int(owner["pid"])) == owner["birth"]:
        time.sleep(_POLL_S)
        record = state.find_record()
        if record is None or record.owner != owner:
            return
    print(f"owner {owner['pid']} is gone: stopping the services", flush=True)  # noqa: T201  # goes to its log
    EmbeddedServices(root).abandon(owner=owner)


if __name__ == "__main__":
    main()
