"""The commands, one module per group. Heavy imports stand inside them, so `--help` is quick."""
