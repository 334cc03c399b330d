"""Batches of scanned labels: to bags, against the record, to a verdict per bag. Knows no HTTP."""
