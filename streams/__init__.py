"""What happens: Kafka in, a decision, a PostgreSQL transaction, Kafka out."""
