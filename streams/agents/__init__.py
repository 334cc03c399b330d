"""Faust agents: the loop that all of them share, their table, and the worker that runs them."""
