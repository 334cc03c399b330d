"""Latency and throughput, each beside a floor of the same run. Ratios count, not figures."""
