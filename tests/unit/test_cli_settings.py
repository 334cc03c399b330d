"""Which settings a command works with, and what a child process is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import PostgresDsn, SecretStr

from cli.doctor_checks import check_variables
from deploy.local.resolved_settings import env_of, load_settings, uses_own_servers
from models.errors import ConfigurationError
from streams.settings import Settings

DSN = PostgresDsn("postgresql://u:p%20w@127.0.0.1:5/d")


def test_a_child_gets_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        kafka_bootstrap="a:1,b:2",
        postgres_dsn=DSN,
        state_dir=Path("/somewhere"),
        gateway_port=0,
        api_key=SecretStr("xl_a_b"),
        clock="scaled:2025-01-07T01:05:16+00:00@60.0x2026-01-01T00:00:00+00:00",
        hold_s=60,
        log_level="debug",
    )
    for name, value in env_of(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_servers_are_named_both_or_neither() -> None:
    assert uses_own_servers(Settings(kafka_bootstrap="a:1", postgres_dsn=DSN))
    assert not uses_own_servers(Settings(gateway_port=0))
    with pytest.raises(ConfigurationError, match=r"services_half_set.*XUELIAN_POSTGRES_DSN"):
        uses_own_servers(Settings(postgres_dsn=DSN))


def test_the_environment_names_servers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XUELIAN_KAFKA_BOOTSTRAP", "a:1")
    monkeypatch.setenv("XUELIAN_POSTGRES_DSN", str(DSN))
    assert uses_own_servers(load_settings())


def test_a_misspelt_variable_is_found_with_a_guess() -> None:
    check = check_variables(["PATH", "XUELIAN_GATEWAY_PROT", "XUELIAN_CLOCK"])
    assert not check.ok
    assert "XUELIAN_GATEWAY_PROT → XUELIAN_GATEWAY_PORT" in check.detail
    assert "XUELIAN_CLOCK" not in check.detail
    assert check_variables(["XUELIAN_CLOCK", "HOME"]).ok
