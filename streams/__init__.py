"""The engine: it reads Kafka, decides in a PostgreSQL transaction, and publishes to Kafka."""
