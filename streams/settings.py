"""Settings: the one place that reads the environment.

Every field is an environment variable `XUELIAN_<FIELD>` in upper case. `xuelian doctor` names
unknown `XUELIAN_` variables, and a test holds the compose file against this list.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, PostgresDsn, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def find_state_dir() -> Path:
    """Return the default state folder, wherever the command is given."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").exists():
        return checkout / "build" / "state"
    home = os.environ.get("XDG_DATA_HOME", "")  # noqa: TID251 - this is the place
    data = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share"
    return data / "xuelian"


class Settings(BaseSettings):
    """What a process needs to know of the machine it runs on."""

    model_config = SettingsConfigDict(env_prefix="XUELIAN_", extra="ignore", frozen=True)

    kafka_bootstrap: str = Field(
        default="127.0.0.1:9092", description="Comma-separated host:port of the Kafka brokers."
    )
    kafka_replication: int = Field(
        default=1, ge=1, le=5, description="Replication factor of every topic; 3 in production."
    )
    postgres_dsn: PostgresDsn = Field(
        default=PostgresDsn("postgresql://xuelian@127.0.0.1:5432/xuelian"),
        description="Where the truth is kept.",
    )
    postgres_pool: int = Field(
        default=8, ge=2, le=64, description="Connections of one process at most."
    )
    state_dir: Path = Field(
        default_factory=find_state_dir,
        description=(
            "Folder of the embedded services, logs and locks. Unset: `build/state` of the checkout "
            "that runs, else `xuelian` in the user's data folder (`~/.local/share`), wherever the "
            "command is given."
        ),
    )
    gateway_host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    gateway_port: int = Field(default=8480, ge=0, le=65535, description="0 picks a free port.")
    gateway_url: str = Field(
        default="http://127.0.0.1:8480", description="Where clients (the CLI too) find the gateway."
    )
    api_key: SecretStr | None = Field(
        default=None, description="The key that the CLI presents to the gateway."
    )
    labels_dir: Path | None = Field(
        default=None,
        description=(
            "Folder of the stations' label files, `<station_id>.toml`; without it nothing can be "
            "scanned. A changed file is read at the next scan."
        ),
    )
    columns_dir: Path | None = Field(
        default=None,
        description=(
            "Folder of the stations' columns files, `<station_id>.toml`: their own headings, names "
            "of products and states. A changed file is read at the next import."
        ),
    )
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="Prometheus port of workers; 0 serves none."
    )
    worker_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description=(
            "Name of a worker that outlives its process, unique within its role. With it a worker "
            "that is started again at once takes its partitions back without waiting for the "
            "session of the dead one to end. Empty: partitions move to the others instead."
        ),
    )
    clock: str = Field(
        default="system",
        description=(
            "`system`, or for drills `scaled:<ISO instant>@<speed>x<ISO real start>`: the "
            "simulated instant that stood at the real start, and how fast time runs from there."
        ),
    )
    hold_s: int = Field(
        default=3600,
        ge=60,
        description=(
            "Seconds a reservation stands past the later of the needed-by time and the arrival."
        ),
    )
    rules_file: Path | None = Field(
        default=None,
        description=(
            "The station's own values for rules that allow it; the same file for every process. "
            "Without one the rules are those of the package."
        ),
    )
    law_file: Path | None = Field(
        default=None,
        description=(
            "A law on donors that the package does not have; the same file for every process. The "
            "rules file names the region (`[law] region`), else it is that of this law."
        ),
    )
    batch_max: int = Field(
        default=64, ge=1, le=512, description="Events decided in one transaction at most."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="`json` for machines, `console` for people."
    )

    @field_validator("state_dir")
    @classmethod
    def _from_here(cls, folder: Path) -> Path:
        """Make a relative folder absolute here: a child process runs in another folder."""
        return folder.absolute()
