"""Kafka and PostgreSQL as child processes of one machine; `embedded_services.py` is the API.

No other room may rely on this package in production, where the settings name real clusters.
"""
