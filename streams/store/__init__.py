"""PostgreSQL, the truth. The only room that imports asyncpg."""
