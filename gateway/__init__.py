"""The HTTP gateway: it takes requests in and gives decisions and events out.

It speaks to Kafka only through the ports and to PostgreSQL only through the store. It decides
nothing: what callers ask for is published as an event, and the engine decides on it.
"""
