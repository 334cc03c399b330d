"""From the truth outwards: the outbox to Kafka, and timers when they are due."""
