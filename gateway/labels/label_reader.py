"""The port that reads labels: ISBT 128 and a station's own codes stand behind it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.labels.scanned import Part, Scanned


class LabelReader(Protocol):
    """Reads barcodes of one kind of label. Implementations are pure and safe to share."""

    def read(self, text: str) -> tuple[Scanned, ...]:
        """Read one scanned line: one value or several, never none.

        Raises:
            ContractError: It cannot be read; names what was read and what was expected.
        """
        ...

    def knows(self, text: str) -> bool:
        """Whether a line has the form of one of these codes; it may still be wrong."""
        ...

    def guess_parts(self, text: str) -> frozenset[Part]:
        """Return which parts a line claims to hold, readable or not; none if it cannot be told."""
        ...


class FirstThatKnows:
    """Asks several readers in order; the first that knows the form reads.

    So an error is told by the reader whose code it is. A barcode that none knows is told by the
    first: the station's own file says what it should have been.
    """

    def __init__(self, readers: Sequence[LabelReader]) -> None:
        self._readers = tuple(readers)

    def read(self, text: str) -> tuple[Scanned, ...]:
        return self._choose(text).read(text)

    def knows(self, text: str) -> bool:
        return any(reader.knows(text) for reader in self._readers)

    def guess_parts(self, text: str) -> frozenset[Part]:
        return self._choose(text).guess_parts(text)

    def _choose(self, text: str) -> LabelReader:
        for reader in self._readers:
            if reader.knows(text):
                return reader
        return self._readers[0]
