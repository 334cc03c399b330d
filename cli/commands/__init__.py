"""The commands, one module per group. Heavy imports stand inside them: `--help` is quick."""
