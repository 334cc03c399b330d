"""The settings a command works with, and the form in which a child process gets them.

Owns the rule of this machine: when neither Kafka nor PostgreSQL is set, the embedded services of
the state folder are used. Starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import PostgresDsn, SecretStr, ValidationError

from models.errors import ConfigurationError
from streams.settings import Settings

if TYPE_CHECKING:
    from deploy.local.embedded_services import EmbeddedServices, Endpoints

_SERVICES = {
    "kafka_bootstrap": "XUELIAN_KAFKA_BOOTSTRAP",
    "postgres_dsn": "XUELIAN_POSTGRES_DSN",
}


def load_settings(**changes: Any) -> Settings:  # noqa: ANN401 - whatever a setting takes
    """Read the environment; what is given here goes before it.

    Raises:
        ConfigurationError: `setting_invalid`, naming the variable.
    """
    from models.texts.validation import describe_broken  # noqa: PLC0415 - only for failures

    try:
        return Settings(**changes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = f"XUELIAN_{first['loc'][0]}".upper()
        raise ConfigurationError(
            "setting_invalid", name=name, rule=str(describe_broken(first))
        ) from error


def uses_own_servers(settings: Settings) -> bool:
    """Return whether the settings name Kafka and PostgreSQL, so that none is embedded.

    Raises:
        ConfigurationError: `services_half_set`: only one of the two is named.
    """
    named = [name for name in _SERVICES if name in settings.model_fields_set]
    if len(named) == 1:
        raise ConfigurationError("services_half_set", found=_SERVICES[named[0]])
    return bool(named)


def load_resolved() -> Settings:
    """Read the environment; if it names no server, use the embedded services, if any were made.

    A process of ours may need only Kafka or only PostgreSQL; a server that is named is kept.
    """
    settings = load_settings()
    if any(name in settings.model_fields_set for name in _SERVICES):
        return settings
    if not (settings.state_dir / "services.json").exists():
        return settings
    embedded = build_embedded(settings, report=lambda _: None)
    return with_endpoints(settings, embedded.get_endpoints())


def build_embedded(
    settings: Settings,
    *,
    report: Callable[[str], None],
    brokers: int | None = None,
    owner_pid: int | None = None,
) -> EmbeddedServices:
    """Return the embedded services of the state folder, not started.

    Args:
        settings: `state_dir` is used.
        report: Called with each long step; may be called from several threads.
        brokers: Number of brokers; by default 1 for a new folder, else the folder's own number.
        owner_pid: They end with that process; with None they outlive every process.

    Raises:
        ConfigurationError: `embedded_missing`.
    """
    try:
        from deploy.local.embedded_services import EmbeddedServices  # noqa: PLC0415 - an optional extra
        from deploy.local.state import StateFolder  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ConfigurationError("embedded_missing", cause=str(error)) from error
    record = StateFolder(settings.state_dir).find_record()
    brokers = brokers or (record.brokers if record else 1)
    return EmbeddedServices(settings.state_dir, brokers=brokers, report=report, owner_pid=owner_pid)


def report_other_systems(settings: Settings, report: Callable[[str], None]) -> None:
    """Report other systems on this machine: an empty system beside them may be a mistake."""
    if uses_own_servers(settings):
        return
    try:
        from deploy.local.other_state_folders import list_other_systems  # noqa: PLC0415 - an optional extra
    except ImportError:
        return  # whatever needs the extra reports that it is missing
    for folder in list_other_systems(settings.state_dir):
        report(
            f"注意：另一套系统正在 {folder} 运行，此处是 {settings.state_dir} · "
            f"another system runs in {folder}; this one is {settings.state_dir}"
        )


def with_endpoints(settings: Settings, endpoints: Endpoints) -> Settings:
    return settings.model_copy(
        update={
            "kafka_bootstrap": endpoints.kafka_bootstrap,
            "postgres_dsn": PostgresDsn(endpoints.postgres_dsn),
        }
    )


def env_of(settings: Settings) -> dict[str, str]:
    """Return every setting as its environment variable, so that a child never uses a default."""
    env = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        env[f"XUELIAN_{name.upper()}"] = text
    return env
