"""The checks: pure functions from everything that was read to findings, a module per subject."""
