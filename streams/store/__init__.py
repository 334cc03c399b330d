"""The store: PostgreSQL holds the truth, and only this room imports asyncpg."""
