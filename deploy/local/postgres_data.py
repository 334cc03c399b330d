"""Creates PostgreSQL's data folder, completely or not at all.

Owns initdb and the one database. The work is done in a draft folder that is renamed at the end, so
that a starter killed half-way leaves nothing that looks like data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.accounts import Account
from deploy.local.errors import ServicesUnavailableError
from deploy.local.postgres_install import get_programs

USER = DATABASE = "xuelian"
_PATIENCE_S = 120.0


def create_data(data: Path, *, account: Account | None) -> None:
    """Create the cluster in `data`, with the superuser and the database `xuelian`.

    Args:
        data: Folder that does not exist yet; the folder around it is made for `account` alone.
        account: Account that the server will run as; our own when None.

    Raises:
        ServicesUnavailableError: initdb or the first database failed; its output is quoted.
    """
    home = data.parent
    home.mkdir(parents=True, exist_ok=True)
    if account is not None:
        account.own(home)
    programs = get_programs(home=home, account=account)
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    # The built-in C.UTF-8 sorts the same on every machine, whatever its C library.
    initdb = [
        str(programs / "initdb"), "--pgdata", str(draft), "--username", USER,
        "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--auth", "trust", "--no-instructions",
    ]  # fmt: skip
    _run(initdb, cwd=home, account=account)
    # Single-user mode: the database exists before any client can connect.
    single = [str(programs / "postgres"), "--single", "-D", str(draft), "postgres"]
    _run(single, cwd=home, account=account, said=f"CREATE DATABASE {DATABASE};\n")
    draft.rename(data)
    _sync_folder(home)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _run(command: list[str], *, cwd: Path, account: Account | None, said: str = "") -> None:
    answer = subprocess.run(
        command,
        input=said,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        timeout=_PATIENCE_S,
        check=False,
        **(account.as_arguments() if account else {}),
    )
    # Single-user mode goes on after a failed statement and ends with 0.
    if answer.returncode != 0 or "ERROR:" in answer.stdout:
        raise ServicesUnavailableError(
            f"PostgreSQL 初始化失败 · PostgreSQL could not be created\n{answer.stdout[-2000:]}"
        )
