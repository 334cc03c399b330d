"""The checks: pure functions from everything that was read to findings, one room per matter."""
