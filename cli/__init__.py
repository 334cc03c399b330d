"""The `xuelian` command: one module per command group, and what they share."""
