"""The relay: publishes the outbox to Kafka, and fires timers when they are due."""
