"""Child process that asks jgo for the Kafka jars and prints their paths as one JSON list.

Runs apart from the caller because jgo finds Java through PATH and JAVA_HOME, which are set in this
process's environment only. `python -m deploy.local.resolve_jars COORDINATES [--update]`.
"""

from __future__ import annotations

import json
import sys

import jgo


def main() -> None:
    """Print every jar of the environment; jgo divides them into a class path and a module path."""
    environment = jgo.build(sys.argv[1], update="--update" in sys.argv[2:])
    folders = (environment.jars_dir, environment.modules_dir)
    jars = sorted(jar for folder in folders if folder.is_dir() for jar in folder.glob("*.jar"))
    sys.stdout.write(json.dumps([str(jar) for jar in jars]))


if __name__ == "__main__":
    main()
