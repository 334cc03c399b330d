"""The seal that only the safety kernel puts on a clearance.

An import contract allows this module only to `models.clearance`, which demands the seal, and to
`models.safety`, which uses it. The module holds nothing else.
"""

from __future__ import annotations

from typing import Final, final


@final
class Seal:
    """The seal, checked by identity; there is one instance."""

    __slots__ = ()


KERNEL: Final = Seal()
