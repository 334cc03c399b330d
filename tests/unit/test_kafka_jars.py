"""The Kafka jars are the ones whose sums are kept, or nothing is started."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local import kafka_jars
from deploy.local.child_environment import java_environment
from deploy.local.errors import ChecksumError, ServicesUnavailableError
from deploy.local.kafka_jars import Resolve, get_class_path, resolve_with_jgo

JARS = {"kafka_2.13-4.3.1.jar": b"the broker", "kafka-clients-4.3.1.jar": b"the client"}


@pytest.fixture(autouse=True)
def _usual_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a home of its own, wherever this machine keeps its caches."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    listed = tmp_path / "kafka.sha256"
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in JARS.items())
    listed.write_text("\n".join(lines) + "\n", encoding="ascii")
    return listed


@pytest.fixture
def jars(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "jars"
    folder.mkdir()
    for name, content in JARS.items():
        (folder / name).write_bytes(content)
    return sorted(folder.iterdir())


class JarsOnDisk:
    """A resolver with the jars at hand; it notes each time it is asked."""

    def __init__(self, jars: list[Path]) -> None:
        self.jars = jars
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, extra: Mapping[str, str], *flags: str) -> list[Path]:
        del extra
        self.asked.append(flags)
        return [jar for jar in self.jars if jar.exists()]


def get(sums: Path, home: Path, resolve: Resolve) -> list[Path]:
    return get_class_path(state=home / "state", report=print, sums=sums, home=home, resolve=resolve)


def test_jars_that_fit_are_accepted(jars: list[Path], sums: Path) -> None:
    kafka_jars.verify(jars, sums=sums)


def test_one_wrong_byte_is_refused_by_name(jars: list[Path], sums: Path) -> None:
    jars[0].write_bytes(b"something else")
    with pytest.raises(ChecksumError, match=r"kafka-clients-4\.3\.1\.jar.*refused"):
        kafka_jars.verify(jars, sums=sums)


def test_a_jar_more_or_less_is_refused(jars: list[Path], sums: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "evil.jar"
    stranger.write_bytes(b"")
    with pytest.raises(ChecksumError, match=r"evil\.jar"):
        kafka_jars.verify([*jars, stranger], sums=sums)
    with pytest.raises(ChecksumError, match=r"kafka_2\.13"):
        kafka_jars.verify(jars[:1], sums=sums)


def test_the_way_out_is_named(jars: list[Path], sums: Path) -> None:
    with pytest.raises(ServicesUnavailableError) as refused:
        kafka_jars.verify(jars[:1], sums=sums)
    assert "docker compose up" in str(refused.value)
    assert "XUELIAN_KAFKA_BOOTSTRAP" in str(refused.value)
    assert "XUELIAN_POSTGRES_DSN" in str(refused.value)


def test_they_are_resolved_once_and_then_remembered(
    jars: list[Path], sums: Path, tmp_path: Path
) -> None:
    resolve = JarsOnDisk(jars)
    assert get(sums, tmp_path, resolve) == jars
    assert get(sums, tmp_path, resolve) == jars
    assert resolve.asked == [()]


def test_a_jar_changed_later_is_noticed_and_refused(
    jars: list[Path], sums: Path, tmp_path: Path
) -> None:
    resolve = JarsOnDisk(jars)
    get(sums, tmp_path, resolve)
    jars[0].write_bytes(b"tampered with")
    with pytest.raises(ChecksumError):
        get(sums, tmp_path, resolve)
    assert len(resolve.asked) == 2


def test_a_jar_that_vanished_is_fetched_anew(jars: list[Path], sums: Path, tmp_path: Path) -> None:
    resolve = JarsOnDisk(jars)
    get(sums, tmp_path, resolve)
    jars[0].unlink()
    with pytest.raises(ChecksumError):
        get(sums, tmp_path, resolve)
    assert resolve.asked == [(), (), ("--update",)]


def test_a_damaged_memory_is_resolved_again(jars: list[Path], sums: Path, tmp_path: Path) -> None:
    resolve = JarsOnDisk(jars)
    get(sums, tmp_path, resolve)
    (remembered,) = (tmp_path / ".cache" / "xuelian").glob("kafka-*.json")
    remembered.write_text('{"sums": "', encoding="utf-8")
    assert get(sums, tmp_path, resolve) == jars
    assert json.loads(remembered.read_text(encoding="utf-8"))["jars"]
    assert len(resolve.asked) == 2


def test_without_a_usable_home_the_jars_go_below_the_state_folder(
    jars: list[Path], sums: Path, tmp_path: Path
) -> None:
    resolve = JarsOnDisk(jars)
    home = tmp_path / "home"
    home.write_text("a file where the home folder should be", encoding="ascii")
    found = get_class_path(
        state=tmp_path / "s", report=print, sums=sums, home=home, resolve=resolve
    )
    assert found == jars
    assert resolve.asked == [()]
    assert list((tmp_path / "s" / "cache").glob("kafka-*.json"))


def test_out_of_reach_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, sums: Path, tmp_path: Path
) -> None:
    # The real resolver, asked for a version nobody has, through a proxy that leads nowhere.
    monkeypatch.setattr(kafka_jars, "COORDINATES", "org.apache.kafka:kafka_2.13:0.0.0-absent")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ServicesUnavailableError, match="could not be fetched"):
        get(sums, tmp_path, resolve_with_jgo)


def test_our_own_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    theirs = java_environment()
    assert theirs["PATH"].startswith(theirs["JAVA_HOME"])
    assert os.environ["PATH"] == "/bin"
    assert "JAVA_HOME" not in os.environ


def test_the_kept_list_names_the_version_we_run() -> None:
    kept = kafka_jars.read_sums(kafka_jars.SUMS)
    assert len(kept) == 95
    assert {f"kafka_2.13-{kafka_jars.KAFKA_VERSION}.jar", "kafka-clients-4.3.1.jar"} <= set(kept)
    assert all(len(digest) == 64 for digest in kept.values())
