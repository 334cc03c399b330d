"""The store in memory: the ports that the driven lives and pure tests use."""
