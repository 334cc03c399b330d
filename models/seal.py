"""The seal that only the safety kernel puts on a clearance.

An import contract keeps this module to `models.clearance`, which asks for the seal, and
`models.safety`, which has it. It owns nothing else.
"""

from __future__ import annotations

from typing import Final, final


@final
class Seal:
    """Known by identity; there is one."""

    __slots__ = ()


KERNEL: Final = Seal()
