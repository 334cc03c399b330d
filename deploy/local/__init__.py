"""Kafka and PostgreSQL as child processes of one machine; see `services.py` for the public face.

Imports no other room of this project, and none of them may rely on it at run time: production
points the settings at real clusters.
"""
