"""The port that reads labels; ISBT 128 and a station's own codes implement it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.labels.barcode_values import Part, Scanned


class LabelReader(Protocol):
    """Reads barcodes of one kind of label. Implementations are pure and safe to share."""

    def read(self, text: str) -> tuple[Scanned, ...]:
        """Read one scanned line; the result has at least one value.

        Raises:
            ContractError: The line cannot be read; names what was read and what was expected.
        """
        ...

    def knows(self, text: str) -> bool:
        """Return whether a line has the form of one of these codes; it may still be wrong."""
        ...

    def guess_parts(self, text: str) -> frozenset[Part]:
        """Return the parts that a line seems to hold, readable or not; empty if not known."""
        ...


class FirstThatKnows:
    """Asks several readers in order; the first that knows the form reads the line.

    So the error comes from the reader whose code it is. If no reader knows the form, the error
    comes from the first reader: the station's own file says what the code should have been.
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
