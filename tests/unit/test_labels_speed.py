"""A guard of the reader's speed. The real measure is `make scans`."""

from __future__ import annotations

import time

from tests.measurements.scans import make_barcodes, measure
from tests.support.labels import load_example

WORST_RATIO = 80
"""Times the bare loop; measured: about 20. Processor time and the best of several rounds, so that
a busy machine does not matter; a reader that validates with pydantic or misses its tables does."""


def test_the_reader_keeps_near_the_bare_loop() -> None:
    texts = make_barcodes(2_000).linear
    read = load_example().reader.read
    reading, looping = [], []
    for _ in range(7):
        began = time.process_time_ns()
        for text in texts:
            read(text)
        between = time.process_time_ns()
        for text in texts:
            _ = text[:2], text[2:]
        reading.append(between - began)
        looping.append(time.process_time_ns() - between)
    assert min(reading) < WORST_RATIO * min(looping)


def test_the_measurement_measures() -> None:
    checks = {check.name: check for check in measure(bags=50, rounds=1)}
    assert checks["scans.decoded_per_s"].goal == ">= 100000"
    assert 0 < checks["scans.ratio"].value < 1
    assert all(check.value > 0 for check in checks.values())
