"""The Kafka class path: resolved once, checked against the sums kept here, then remembered.

Owns the version of Kafka that is run and the check that its jars are the expected ones. The jars
stay in jgo's own cache (or under the state folder when the home folder cannot be written); this
repository keeps only their sha256 sums.

Concurrency: a lock in the cache folder lets one process resolve at a time on this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from deploy.local.child_environment import java_environment, python_environment
from deploy.local.errors import ChecksumError, ServicesUnavailableError

KAFKA_VERSION = "4.3.1"
SUMS = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.sha256")

# `kafka-clients` is named although it is a dependency: otherwise the resolver chooses an older
# version, and the broker fails on a missing method.
COORDINATES = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
        f"org.apache.kafka:connect-mirror:{KAFKA_VERSION}",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
    )
)

# Enough for 55 MB over a slow line; after that the download counts as out of reach.
_RESOLVE_PATIENCE_S = 420.0


class Resolve(Protocol):
    """Makes the jars available on this machine and returns their paths."""

    def __call__(self, extra: Mapping[str, str], *flags: str) -> list[Path]: ...


def resolve_with_jgo(extra: Mapping[str, str], *flags: str) -> list[Path]:
    """Download what is missing and return every jar; `extra` is added to jgo's environment.

    Raises:
        ServicesUnavailableError: The jars are out of reach.
    """
    environment = {**java_environment(), **extra, "PYTHONPATH": python_environment()["PYTHONPATH"]}
    command = [sys.executable, "-m", "deploy.local.resolve_jars", COORDINATES, *flags]
    try:
        answer = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_RESOLVE_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise ServicesUnavailableError(
            f"下载 Kafka {KAFKA_VERSION} 超时 · fetching Kafka {KAFKA_VERSION} took over "
            f"{_RESOLVE_PATIENCE_S:.0f} s"
        ) from late
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["?"])[-1]
        raise ServicesUnavailableError(
            f"无法取得 Kafka {KAFKA_VERSION} · Kafka {KAFKA_VERSION} could not be fetched: {last}"
        )
    return [Path(jar) for jar in json.loads(answer.stdout)]


def get_class_path(
    *,
    state: Path,
    report: Callable[[str], None],
    sums: Path = SUMS,
    home: Path | None = None,
    resolve: Resolve = resolve_with_jgo,
) -> list[Path]:
    """Return every jar of Kafka, checked.

    The sums are verified when the jars are resolved; later calls compare size and modification time
    only, which takes about a millisecond.

    Args:
        state: State folder, whose `cache` is used when the home folder cannot be written.
        report: Called before work that takes long.
        sums: File of sha256 sums in the format of `sha256sum`.
        home: Home folder; the user's own when None.
        resolve: How the jars are obtained.

    Returns:
        Paths that exist, in a stable order.

    Raises:
        ChecksumError: A jar differs from its sum, is missing, or is not on the list.
        ServicesUnavailableError: The jars are out of reach.
    """
    cache, extra = _choose_cache(state=state, home=home or Path.home())
    remembered = cache / f"kafka-{KAFKA_VERSION}.json"
    with _alone(cache):
        known = _find_remembered(remembered, sums=sums)
        if known is not None:
            return known
        report(f"准备 Kafka {KAFKA_VERSION} · resolving Kafka {KAFKA_VERSION}")
        jars = resolve(extra)
        if _names(jars) != set(read_sums(sums)):
            # Somebody may have deleted files of the cache: let jgo build it again, once.
            jars = resolve(extra, "--update")
        verify(jars, sums=sums)
        _remember(remembered, jars=jars, sums=sums)
        return jars


def read_sums(sums: Path) -> dict[str, str]:
    """Return file name to sha256, read from a file as `sha256sum` writes it."""
    lines = sums.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def verify(jars: Sequence[Path], *, sums: Path = SUMS) -> None:
    """Compare every jar with the list; a surplus or a missing jar is refused too.

    Raises:
        ChecksumError: The set of jars differs, or a sum does; the message names what differs.
    """
    wanted = read_sums(sums)
    odd = _names(jars) ^ set(wanted)
    if odd:
        raise ChecksumError(f"Kafka 的文件清单不符 · the set of Kafka jars differs: {sorted(odd)}")
    for jar in jars:
        with jar.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != wanted[jar.name]:
            raise ChecksumError(
                f"{jar} 的 sha256 不符，已拒绝使用；请删除后重试 · "
                f"{jar} has the sha256 {found}, not {wanted[jar.name]}: refused. "
                "Delete it and try again."
            )


def _names(jars: Sequence[Path]) -> set[str]:
    return {jar.name for jar in jars}


def _choose_cache(*, state: Path, home: Path) -> tuple[Path, dict[str, str]]:
    """Return our cache folder, and jgo's variables for the case that it cannot use its own."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "xuelian"
    places = (usual, home / ".cache" / "jgo", home / ".m2" / "repository")
    if all(_is_writable(place) for place in places):
        return usual, {}
    cache = state / "cache"
    return cache, {"JGO_CACHE_DIR": str(cache / "jgo"), "M2_REPO": str(cache / "m2")}


def _is_writable(folder: Path) -> bool:
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _print_of(jars: Sequence[Path]) -> list[list[str | int]]:
    return [[str(jar), jar.stat().st_size, jar.stat().st_mtime_ns] for jar in jars]


def _digest(sums: Path) -> str:
    return hashlib.sha256(sums.read_bytes() + COORDINATES.encode()).hexdigest()


def _remember(remembered: Path, *, jars: Sequence[Path], sums: Path) -> None:
    draft = remembered.with_suffix(".new")
    text = json.dumps({"sums": _digest(sums), "jars": _print_of(jars)})
    draft.write_text(text, encoding="utf-8")
    draft.replace(remembered)


def _find_remembered(remembered: Path, *, sums: Path) -> list[Path] | None:
    try:
        known = json.loads(remembered.read_text(encoding="utf-8"))
        jars = [Path(path) for path, _, _ in known["jars"]]
        fits = known["sums"] == _digest(sums) and known["jars"] == _print_of(jars)
    except (FileNotFoundError, json.JSONDecodeError):  # never made, deleted, or half written
        return None
    return jars if fits else None
