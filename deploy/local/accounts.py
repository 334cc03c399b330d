"""The account that PostgreSQL runs as: it refuses root, so root starts it as an ordinary user.

Owns the choice of the account and the question whether that account can reach a folder. Changes
the ownership of the folders it is given and of nothing else: it creates no account and widens no
permission of a parent folder.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Account:
    name: str
    uid: int
    gid: int

    def as_arguments(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that drop to this account, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """Return whether the account may enter or run `path`, by the kernel, not by mode bits."""
        asked = subprocess.run(
            ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
            check=False,
            cwd="/",
            **self.as_arguments(),
        )
        return asked.returncode == 0

    def own(self, folder: Path) -> None:
        os.chown(folder, self.uid, self.gid)


def find_server_account(existing: Path) -> Account | None:
    """Return the account that a server started by root runs as; None when we are not root.

    Args:
        existing: Data folder. If it exists, its present owner keeps it, so that an account
            installed later does not lock the server out of its own data.
    """
    if os.geteuid() != 0:
        return None
    if existing.exists() and existing.stat().st_uid != 0:
        return _account(pwd.getpwuid(existing.stat().st_uid))
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    return None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
