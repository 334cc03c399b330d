"""Measurements that reach inside: the SQL of decisions, the audit's chains, labels, locks.

Run by `make bench`, `make scans`, `make bench-locks` and `python -m tests.measurements.audit`.
What a client can measure from outside stands in `bench/`, which may not see any of this.
"""
