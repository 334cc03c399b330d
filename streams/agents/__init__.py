"""Faust agents: one loop that all share, one table of them, and the worker that runs them."""
