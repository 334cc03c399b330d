"""Faust agents, one per file, each a thin edge: decode, call a service, acknowledge."""
