"""The HTTP edge: requests in, decisions and events out.

Speaks to Kafka only through the ports and to PostgreSQL only through the store. Nothing is decided
here; what changes the world is published as an event and decided by the engine.
"""
