"""The domain model: blood, units, requests, donors, alerts and the events that carry them.

Pure values and pure functions. Nothing in this package reads a clock, draws a random number, makes
an identifier that is not derived from its arguments, or communicates with the outside.
"""
