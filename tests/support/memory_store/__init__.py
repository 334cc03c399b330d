"""The in-memory store: implementations of the ports that the driven lives and pure tests use."""
