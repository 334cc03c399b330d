"""Kafka: the only room that imports aiokafka. Codec, producer, tail, topics, Faust's transport."""
