"""The processes of the system, how each is started, and the errors of a failed process.

Owns the choice of their ports; starts nothing. Not safe for concurrent threads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.child_processes import Child
from deploy.local.exit_codes import ExitCode
from deploy.local.resolved_settings import env_of
from deploy.local.running_systems import find_running, runs_here_error
from models.errors import ConfigurationError, TransientError
from streams.settings import Settings

PROCESSES = ("gateway", "urgent", "supply")
"""The processes of a whole system. A worker relays what it commits, so no `relay` is needed."""

KINDS = ("gateway", "urgent", "supply", "relay")


class Roster:
    """Builds children, each with a port that no other child of this roster has."""

    def __init__(self) -> None:
        self._ports: set[int] = set()

    def choose_port(self) -> int:
        """Return a port that is free now. Raises ServicesUnavailableError if none is found."""
        from deploy.local.state import choose_port  # noqa: PLC0415 - only with `up`

        port = choose_port(self._ports)
        self._ports.add(port)
        return port

    def _place_probe(self, settings: Settings) -> int:
        """Return the port of a worker's metrics: the first from `metrics_port` on, if that is set.

        Raises:
            ConfigurationError: Another process has it.
        """
        port = settings.metrics_port
        if not port:
            return self.choose_port()
        while port in self._ports:
            port += 1
        ensure_port_free(port, state_dir=settings.state_dir)
        self._ports.add(port)
        return port

    def build(self, name: str, settings: Settings) -> Child:
        """Build a child by its name, such as `urgent` or `urgent-2`; it is not started.

        Args:
            name: Its kind, perhaps with a number for a second process of that kind.
            settings: Of the system, with the port of its first gateway.

        Raises:
            ConfigurationError: `process_name_unknown`.
        """
        kind = name.partition("-")[0]
        if kind not in KINDS:
            raise unknown_error(name, KINDS)
        if kind == "gateway":
            # A second gateway must not take the first one's port.
            port = settings.gateway_port if name == kind else self.choose_port()
            own = settings.model_copy(update={"gateway_port": port})
            arguments = ["gateway"]
        else:
            port = self._place_probe(settings)
            # Its identifier is its name, so that a restarted worker regains its partitions at once.
            own = settings.model_copy(update={"metrics_port": port, "worker_id": name})
            arguments = ["relay"] if kind == "relay" else ["worker", kind]
        env = env_of(own)
        env.pop("XUELIAN_API_KEY", None)
        return Child(
            name=name,
            arguments=arguments,
            env=env,
            log=own.state_dir / "logs" / f"{name}.log",
            ready_url=f"http://{as_target(own.gateway_host)}:{port}/readyz",
        )


def as_target(host: str) -> str:
    """Return where a client on this machine finds a server that listens on `host`."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not bound


def ensure_port_free(port: int, *, state_dir: Path) -> None:
    """Check that no process listens on the port.

    Raises:
        ConfigurationError: `system_runs_here`, `system_elsewhere` or `port_taken`.
    """
    from deploy.local.other_state_folders import list_other_systems  # noqa: PLC0415 - only with `up`
    from deploy.local.state import is_port_free  # noqa: PLC0415 - the same

    if not is_port_free(port):
        running = find_running(state_dir)
        if running is not None and running.pid != os.getpid():
            raise runs_here_error(state_dir, running)
        others = list_other_systems(state_dir)
        if others:
            folders = ", ".join(map(str, others))
            raise ConfigurationError(
                "system_elsewhere", port=port, folders=folders, state_dir=str(state_dir)
            )
        raise ConfigurationError("port_taken", port=port)


def ended_error(child: Child) -> TransientError | ConfigurationError:
    params: dict[str, str | float] = {
        "name": child.name,
        "exit_code": child.exit_code or 0,
        "log": str(child.log),
        "tail": child.tail(),
    }
    # By its exit code the process said that its settings do not allow it to start.
    misconfigured = child.exit_code == ExitCode.CONFIGURATION
    family = ConfigurationError if misconfigured else TransientError
    return family("child_ended", **params)


def not_ready_error(child: Child, reason: str, ready_s: float) -> TransientError:
    return TransientError(
        "child_not_ready", name=child.name, timeout_s=ready_s, reason=reason, log=str(child.log)
    )


def unknown_error(name: str, known: Sequence[str] | Mapping[str, object]) -> ConfigurationError:
    return ConfigurationError("process_name_unknown", name=name, known=", ".join(known))
