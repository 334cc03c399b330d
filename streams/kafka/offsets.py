"""Finds the offset that may be committed for one partition.

Owns the arithmetic alone: no Kafka, no clock, no IO. It is not thread-safe: deliveries,
acknowledgements and commits of one partition all happen on the event loop that owns the consumer.
"""

from __future__ import annotations

import heapq


class OffsetLedger:
    """The offsets delivered from one partition since it was assigned, and which are still open.

    The committable offset is the lowest delivered offset that is not acknowledged yet, or, if all
    are, the offset after the last delivered. Offsets that were never delivered (compaction,
    transaction markers, a truncated log) need no care: nothing is open there. Every call is
    O(log n) of the open offsets, amortised.

    Args:
        committed: The group's committed offset when the partition was assigned; None without one.
    """

    __slots__ = ("_committed", "_heap", "_next", "_open")

    def __init__(self, *, committed: int | None = None) -> None:
        self._committed = committed
        self._next: int | None = None
        self._open: set[int] = set()
        # The heap holds every open offset, and acknowledged offsets until they reach its top; the
        # set tells the two apart.
        self._heap: list[int] = []

    def deliver(self, offset: int) -> None:
        """Note that the process now holds a record; a second delivery makes it open again."""
        if offset not in self._open:
            self._open.add(offset)
            heapq.heappush(self._heap, offset)
        if self._next is None or offset >= self._next:
            self._next = offset + 1

    def acknowledge(self, offset: int) -> bool:
        """Close a record; False if it was not open (acknowledged before, or from before a seek)."""
        if offset not in self._open:
            return False
        self._open.remove(offset)
        return True

    def find_committable(self) -> int | None:
        """Return the offset to commit, that of the next record to read; None if nothing is new."""
        heap, still_open = self._heap, self._open
        while heap and heap[0] not in still_open:
            heapq.heappop(heap)
        safe = heap[0] if heap else self._next
        if safe is None or (self._committed is not None and safe <= self._committed):
            return None
        return safe

    def mark_committed(self, offset: int) -> None:
        self._committed = offset
