"""The types of the rule files: one module per file, and what reads it."""
