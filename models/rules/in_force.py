"""The rules that a process follows: the packaged rules until the composition root installs others.

Pure but for one assignment. `install` is called once, at start, before anything is decided; after
that every reader in the process sees the same rules, so no path can follow others by oversight.
It is not for switching at run time: a decision would cite one version and follow another.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class InForce(Generic[T]):
    """The rules of one file as this process follows them.

    Args:
        packaged: The rules as they come with the program, without a station's own.
    """

    def __init__(self, packaged: T) -> None:
        self.packaged = packaged
        self._now = packaged

    def __call__(self) -> T:
        """Return the rules in force."""
        return self._now

    def install(self, rules: T) -> None:
        """Make these the rules in force."""
        self._now = rules
