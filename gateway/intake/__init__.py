"""Publishes calls as events on the log, and finds what became of them. Knows no HTTP."""
