"""Batches of scanned labels: each bag is compared with its record and judged. Knows no HTTP."""
